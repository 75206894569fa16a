"""From a policy's actions to an arm's velocities: smoothing, limits, watchdogs and the table of stops. No ROS, no torch."""
