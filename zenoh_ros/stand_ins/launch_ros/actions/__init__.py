"""The actions of launch_ros."""

from .node import Node
from .scopes import PushROSNamespace, PushRosNamespace, SetParameter, SetRemap

__all__ = ["Node", "PushROSNamespace", "PushRosNamespace", "SetParameter", "SetRemap"]
