"""`cv_bridge` on NumPy and Pillow where there is no ROS 2: the real package's names, without OpenCV.

Facts from https://github.com/ros-perception/vision_opencv (BSD). Bayer and YUV encodings are left out.
"""

from .core import CvBridge
from .encodings import CvBridgeError

__all__ = ["CvBridge", "CvBridgeError"]
