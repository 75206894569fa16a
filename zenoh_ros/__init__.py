"""ROS 2 over Zenoh without ROS 2: `import rclpy` works after two lines and talks to every rmw_zenoh node.

    import zenoh_ros
    zenoh_ros.install()
    import rclpy

See README.md next to this file for the supported part of rclpy, launch, launch_ros, tf2_ros, cv_bridge and
ament_index_python. A real ROS 2 is never replaced: call `install` only if `import rclpy` finds nothing.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

STAND_INS = Path(__file__).resolve().parent / "stand_ins"


def install() -> None:
    """Makes rclpy, launch and the message packages importable, after everything else on `sys.path`.

    Packages with their own messages or programs are registered with `zenoh_ros.packages.register`. May be called again.
    """
    if str(STAND_INS) not in sys.path:
        sys.path.append(str(STAND_INS))
        importlib.invalidate_caches()
    # Imported here, because the commands' error classes are also used by programs without the dependencies.
    from zenoh_ros.wire import message_packages

    message_packages.install()
