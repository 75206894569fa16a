"""Arms by their URDF: from a velocity of the tip to motions of the joints, grippers, simulators; no ROS, no torch."""
