"""The browser page to watch, instruct, stop and take over an arm: its web server and its rules. No ROS."""
