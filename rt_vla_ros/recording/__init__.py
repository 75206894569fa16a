"""From a robot's topics to episodes, with the same rules for a live graph and for bags. No ROS in here."""
