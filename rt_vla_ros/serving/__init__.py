"""`rt-vla serve`: policies for several robots, over the network. No ROS."""
