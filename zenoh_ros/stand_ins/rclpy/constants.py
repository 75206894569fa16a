"""Shared constants."""

S_TO_NS = 1000 * 1000 * 1000

# Maximum blocking time [s]: a signal that arrives just before the main thread blocks is handled only afterwards.
LONGEST_WAIT_S = 0.5
