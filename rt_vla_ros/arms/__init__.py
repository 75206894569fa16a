"""From a velocity of the tip to motions of the joints, for arms whose joints are commanded; without ROS and torch."""
