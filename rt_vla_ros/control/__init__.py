"""From actions to velocities of an arm: smoothing, limits, watchdogs and the table of stops. No ROS, no torch."""
