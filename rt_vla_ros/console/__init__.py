"""The page on which an arm is seen, told, stopped and taken over: its web server and its rules. No ROS."""
