"""Numbers that rclpy shares."""

S_TO_NS = 1000 * 1000 * 1000

# A signal that comes just before the main thread blocks is handled only after it: so nothing blocks for longer [s].
LONGEST_WAIT_S = 0.5
