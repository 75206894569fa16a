"""From actions to velocities of an arm: smoothing, limits, watchdogs and stops. No ROS, no torch."""
