"""A node for the tests of commands: run as a program, it has one of everything that commands ask for."""

from __future__ import annotations

from typing import Any

from rt_vla_ros import ros

ros.ensure()

import rclpy  # noqa: E402
from rcl_interfaces.msg import IntegerRange, ParameterDescriptor  # noqa: E402
from rclpy.executors import ExternalShutdownException  # noqa: E402
from rclpy.node import Node  # noqa: E402
from rclpy.qos import qos_profile_sensor_data  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402

RATE = 20.0
try:
    from grip_msgs.msg import Grip  # type: ignore[import-not-found]  # where AMENT_PREFIX_PATH names its package
except ImportError:
    Grip = None


class Talker(Node):
    """`/demo/talker`: says hello 20 times a second, repeats what it hears, and can be switched."""

    def __init__(self) -> None:
        super().__init__("talker", namespace="demo")
        self.declare_parameter("speed", 2, ParameterDescriptor(integer_range=[IntegerRange(from_value=0, to_value=9)]))
        self.declare_parameter("name", "x", ParameterDescriptor(read_only=True))
        self.declare_parameter("arm.limits", [0.5, 1.5])
        self._hello = self.create_publisher(String, "chatter", 10)
        self._images = self.create_publisher(Image, "image", qos_profile_sensor_data)
        self._echo = self.create_publisher(String, "echo", 10)
        self._grips = None if Grip is None else self.create_publisher(Grip, "grip", 10)
        self.create_subscription(String, "instruction", self._on_instruction, 10)
        self.create_service(SetBool, "~/switch", self._on_switch)
        self.create_timer(1 / RATE, self._speak)
        self._heard = "nothing"

    def _speak(self) -> None:
        self._hello.publish(String(data="hello"))
        self._images.publish(Image(height=2, width=200, encoding="mono8", step=200, data=bytes(400)))
        self._echo.publish(String(data=self._heard))
        if self._grips is not None:
            self._grips.publish(Grip(names=["left"], force=2.5, hold=Grip.FIRM))

    def _on_instruction(self, message: String) -> None:
        self._heard = message.data

    def _on_switch(self, request: SetBool.Request, response: SetBool.Response) -> Any:
        response.success, response.message = True, f"now {'on' if request.data else 'off'}"
        return response


def main() -> None:
    """Until it is ended."""
    rclpy.init()
    try:
        rclpy.spin(Talker())
    except (KeyboardInterrupt, ExternalShutdownException):
        rclpy.try_shutdown()


if __name__ == "__main__":
    main()
