"""Quality of service of /tf and /tf_static."""

from rclpy.qos import DurabilityPolicy, QoSProfile

DYNAMIC = QoSProfile(depth=100)
STATIC_LISTENER = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
STATIC_BROADCASTER = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
