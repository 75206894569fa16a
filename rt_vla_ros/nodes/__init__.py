"""The ROS 2 nodes. Importing this package settles which ROS the process has: its modules just `import rclpy`."""

from rt_vla_ros import ros

ros.ensure()
