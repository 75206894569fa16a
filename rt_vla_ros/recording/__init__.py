"""From what a robot's topics say to episodes: one rule for a live graph and for bags. No ROS in here."""
