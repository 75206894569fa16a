"""The ROS 2 nodes. Importing this room decides which ROS the process has, so its modules say `import rclpy` like any other."""

from rt_vla_ros import ros

ros.ensure()
