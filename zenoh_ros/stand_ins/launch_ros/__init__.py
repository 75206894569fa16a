"""`launch_ros` for Python launch files without ROS 2: the names and signatures of the real package.

Reference: https://github.com/ros2/launch_ros (Apache-2.0). Composable and lifecycle nodes are not supported, nor is
SetUseSimTime, which only affects the launch's own clock: use `SetParameter("use_sim_time", True)` for nodes.
"""

from . import actions, descriptions, parameter_descriptions, substitutions

__all__ = ["actions", "descriptions", "parameter_descriptions", "substitutions"]
