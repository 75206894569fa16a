"""The ROS 2 nodes. Importing this package settles which ROS the process has: its modules just `import rclpy`."""

import os
import signal
import sys

from rt_vla_ros import ros

# While Python looks for a module to run (`-m`, see sys.argv), its package is imported, and then all that it needs.
# Until the node takes its signals itself, Ctrl-C ends the process: nothing moves yet, and an exception would be lost in
# an import of C++, or be a traceback.
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, lambda *_: os._exit(128 + signal.SIGINT))

ros.ensure()
