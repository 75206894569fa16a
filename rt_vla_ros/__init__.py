"""Say what you want in words, and an arm on a ROS 2 graph does it: RT-1 and RT-2 policies as ROS 2 nodes."""

from pkgutil import extend_path

# A ROS 2 workspace installs the generated messages beside these sources; both halves are one package.
__path__ = extend_path(__path__, __name__)

__version__ = "0.2.0"
