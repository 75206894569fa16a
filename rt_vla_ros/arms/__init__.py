"""Arms by their URDF: from tip velocities to joint motions, grippers, simulators; no ROS, no torch."""
