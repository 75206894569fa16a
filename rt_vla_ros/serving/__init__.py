"""`rt-vla serve`: policies for several robots over the network, without ROS."""
