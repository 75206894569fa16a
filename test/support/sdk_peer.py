"""The independent peer: publishes an instruction and hears action and image with zenoh-ros2-sdk, none of our code.

Its input begins with one line of JSON: `{"port": ..., "domain": ..., "types": {name: [definition, hash]}}`.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from zenoh_ros2_sdk import ROS2Publisher, ROS2Subscriber


def main() -> None:
    """Runs until its input ends."""
    setting = json.loads(sys.stdin.readline())

    def endpoint(name: str) -> dict[str, Any]:
        definition, type_hash = setting["types"][name]
        return {
            "msg_type": name,
            "msg_definition": definition,
            "type_hash": type_hash,
            "domain_id": setting["domain"],
            "router_ip": "127.0.0.1",
            "router_port": setting["port"],
        }

    def heard_action(message: Any) -> None:
        answer = {
            "frame": message.header.frame_id,
            "stamp": [message.header.stamp.sec, message.header.stamp.nanosec],
            "translation": [getattr(message.steps[0].translation, axis) for axis in "xyz"],
            "terminate": bool(message.terminate),
            "plan": message.plan,
            "tokens": [int(token) for token in message.tokens],
        }
        print("action", json.dumps(answer), flush=True)

    def heard_image(message: Any) -> None:
        answer = [message.height, message.width, message.encoding, message.step, int(message.data.sum())]
        print("image", json.dumps(answer), flush=True)

    instruction = ROS2Publisher("/instruction", **endpoint("std_msgs/msg/String"))
    action = ROS2Subscriber("/action", callback=heard_action, **endpoint("rt_vla_ros/msg/ActionChunk"))
    image = ROS2Subscriber("/image", callback=heard_image, **endpoint("sensor_msgs/msg/Image"))
    print("ready", flush=True)
    for line in sys.stdin:
        instruction.publish(data=line.rstrip("\n"))
    for entity in (instruction, action, image):
        entity.close()


if __name__ == "__main__":
    main()
