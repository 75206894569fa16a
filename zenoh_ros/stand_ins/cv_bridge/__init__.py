"""`cv_bridge` on OpenCV's Python package without ROS 2: the real package's names, signatures and rules.

Reference: https://github.com/ros-perception/vision_opencv (rolling). Not supported: the colors of 32SC1 label images.
"""

from .core import CvBridge
from .display import cvtColorForDisplay
from .encodings import CvBridgeError, getCvType

__all__ = ["CvBridge", "CvBridgeError", "cvtColorForDisplay", "getCvType"]
