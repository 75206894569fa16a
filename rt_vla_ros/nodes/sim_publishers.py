"""What the simulated arm publishes: its description, images, joint states, transforms, the clock."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Quaternion, TransformStamped, Vector3
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import Float64MultiArray, Header, String
from tf2_msgs.msg import TFMessage

from rt_vla_ros.action_space.frames import BASE_LINK
from rt_vla_ros.nodes import conversions as convert
from rt_vla_ros.nodes.camera_topics import camera_info_topic
from rt_vla_ros.nodes.images import image_message, open_bridge
from rt_vla_ros.sim import TabletopSim
from rt_vla_ros.sim.tabletop_sim import Pose


def optical_frame(camera: str) -> str:
    """Optical TF frame of a simulated camera (axes of REP-103)."""
    return f"{camera}_camera_optical_frame"


class SimPublishers:
    """Publishes only what has subscribers, except images and clock, which are always needed."""

    def __init__(self, node: Node, sim: TabletopSim, cameras: Sequence[str], *, clock: bool) -> None:
        open_bridge()
        self._sim = sim
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        names = {camera: "image" if camera == "front" else f"{camera}_image" for camera in cameras}
        self._images = {camera: node.create_publisher(Image, topic, newest) for camera, topic in names.items()}
        self._infos = {
            camera: node.create_publisher(CameraInfo, camera_info_topic(topic), newest)
            for camera, topic in names.items()
        }
        self._joints = node.create_publisher(JointState, "joint_states", 10)
        self._transforms = node.create_publisher(TFMessage, "/tf", 10)
        self._base = sim.arm.link_frames[0][1]
        # Jazzy's StaticTransformBroadcaster ignores new poses of frames that it has sent.
        lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._static = node.create_publisher(TFMessage, "/tf_static", lasting)
        self.publish_mounts()
        if sim.arm.urdf:
            lasting = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
            self._description = node.create_publisher(String, "robot_description", lasting)
            self._description.publish(String(data=sim.arm.urdf))
        self._whole_state = node.create_publisher(Float64MultiArray, "~/state", 100)
        self._clock = node.create_publisher(Clock, "/clock", 10) if clock else None

    def publish_clock(self, time_ns: int) -> None:
        """Simulated time."""
        if self._clock is not None:
            self._clock.publish(Clock(clock=convert.time_message(time_ns)))

    def publish_mounts(self) -> None:
        """Static transforms: of the base, and of the cameras, whose poses depend on the scene."""
        base = Pose(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0]))
        stamp = convert.time_message(0)
        mounts = {camera: self._sim.camera_mount(camera) for camera in self._images}
        cameras = [_transform(pose, parent, optical_frame(camera), stamp) for camera, (parent, pose) in mounts.items()]
        self._static.publish(TFMessage(transforms=[_transform(base, BASE_LINK, self._base, stamp), *cameras]))

    def publish_images(self, stamp_ns: int) -> None:
        """What every camera sees now."""
        for camera, publisher in self._images.items():
            frame_id = optical_frame(camera)
            if self._infos[camera].get_subscription_count():
                self._infos[camera].publish(self._info(camera, stamp_ns, frame_id))
            publisher.publish(image_message(self._sim.render(camera), stamp_ns, frame_id))

    def publish_state(self, stamp_ns: int) -> None:
        """Joint states and transforms."""
        header = Header(stamp=convert.time_message(stamp_ns))
        if self._joints.get_subscription_count():
            self._joints.publish(
                JointState(
                    header=header,
                    name=list(self._sim.joint_names),
                    position=array("d", self._sim.joint_positions),
                    velocity=array("d", self._sim.joint_velocities),
                )
            )
        if self._transforms.get_subscription_count():
            poses = {frame: pose for frame, pose in self._sim.link_poses.items() if frame != self._base}
            self._transforms.publish(
                TFMessage(
                    transforms=[_transform(pose, self._base, frame, header.stamp) for frame, pose in poses.items()]
                )
            )

    def publish_whole_state(self) -> None:
        """Publishes the time since the reset [s] and the simulator's generalized positions, to render the run later."""
        if self._whole_state.get_subscription_count():
            data = self._sim.data
            self._whole_state.publish(Float64MultiArray(data=array("d", [data.time, *data.qpos])))

    def _info(self, camera: str, stamp_ns: int, frame_id: str) -> CameraInfo:
        width, height = self._sim.size
        matrix = self._sim.intrinsics(camera, width, height)
        projection = np.hstack([matrix, np.zeros((3, 1))])  # (3, 4)
        return CameraInfo(
            header=Header(stamp=convert.time_message(stamp_ns), frame_id=frame_id),
            width=width,
            height=height,
            distortion_model="plumb_bob",
            d=[0.0] * 5,
            k=matrix.ravel(),
            r=np.eye(3).ravel(),
            p=projection.ravel(),
        )


def _transform(pose: Pose, parent: str, frame: str, stamp: object) -> TransformStamped:
    message = TransformStamped(header=Header(stamp=stamp, frame_id=parent), child_frame_id=frame)
    x, y, z = map(float, pose.position)
    message.transform.translation = Vector3(x=x, y=y, z=z)
    qx, qy, qz, qw = map(float, pose.quaternion)
    message.transform.rotation = Quaternion(x=qx, y=qy, z=qz, w=qw)
    return message
