"""The ROS 2 nodes. Importing this package settles which ROS the process has: its modules just `import rclpy`."""

import os
import signal
import sys

from rt_vla_ros import ros

# What a program is called while its modules are loaded: `-m` where Python still looks for the module to run (see
# sys.argv), else as it is installed.
_PROGRAMS = (
    *("-m", "policy_node", "smoother_node", "sim_arm_node"),
    *("servo_bridge_node", "ros2_control_bridge_node", "gripper_bridge_node", "recorder_node"),
    "console_node",
)
# Until the node takes its signals itself, Ctrl-C ends the process: nothing moves yet, and an exception would be lost in
# an import of C++, or be a traceback.
if os.path.basename(sys.argv[0]) in _PROGRAMS and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))

ros.ensure()
