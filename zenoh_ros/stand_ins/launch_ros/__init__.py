"""`launch_ros` for launch files in Python where there is no ROS 2: the names and signatures of the real package.

Facts from https://github.com/ros2/launch_ros (Apache-2.0). Composable and lifecycle nodes are left out, and
SetUseSimTime, which concerns the launch's own clock only: nodes get `SetParameter("use_sim_time", True)`.
"""

from . import actions, descriptions, parameter_descriptions, substitutions

__all__ = ["actions", "descriptions", "parameter_descriptions", "substitutions"]
