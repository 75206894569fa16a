"""The simulated arm: takes velocity commands, returns camera images and joint states."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.action_space.frames import BASE_LINK, refuse_frame
from rt_vla_ros.observations.robot_state import closedness
from rt_vla_ros.sim.arm import ArmDescription, find_arm
from rt_vla_ros.sim.cards import HALF_SIZE
from rt_vla_ros.sim.geometry import InverseKinematics, lowest_point, rotation_matrix, rotation_vector
from rt_vla_ros.sim.objects import COLOURS, PLAIN, SHAPES, SceneLayout
from rt_vla_ros.sim.rendering import OffscreenRenderer
from rt_vla_ros.sim.tabletop_model import (
    ARM,
    CARD,
    DETAILED_ARM,
    DRAWN,
    FRONT_POSITION,
    FRONT_TARGET,
    HAND_BIT,
    HIDDEN,
    OBJECT_BIT,
    build_model,
    look_at,
)

Vector = NDArray[np.float64]

CONTROL_PERIOD = 0.02  # period of commands and joint targets [s]
MAX_LEAD = 0.05  # largest distance of the reference pose from the measured tool pose [m]
MAX_ANGULAR_LEAD = 0.35  # [rad]
# Limits of tool positions in the base frame [m]: all reachable; at the lowest, closing fingers just clear the table.
WORKSPACE_LOW, WORKSPACE_HIGH = (0.30, -0.30, 0.019), (0.70, 0.30, 0.35)
POINTING_DOWN = np.diag([1.0, -1.0, -1.0])  # tool axes at yaw 0: x forward, z to the table
GRIPPER_SPEED = 4.0  # speed of the commanded position [closedness per second]
CAPACITIES = (3, 9)  # maximum number of objects of each model
CAMERAS = ("front", "wrist", "overview")  # the last one shows the whole arm, for display only


@dataclass(frozen=True)
class Pose:
    """Position [m], shape (3,), and unit quaternion x, y, z, w, shape (4,), in the base frame by default."""

    position: Vector
    quaternion: Vector


class TabletopSim:
    """The table, the arm and the objects. The simulation is deterministic, given the layout and the commands.

    Images must all be rendered in the same thread (OpenGL).
    frames: names of all frames in the arm's TF tree. joint_names: for joint_states: the arm's joints, then the
    gripper's. reference_position: of the pose that the arm tracks, in the base frame [m], shape (3,).
    """

    def __init__(
        self, *, size: tuple[int, int] = (96, 96), arm: ArmDescription | None = None, detailed: bool = False
    ) -> None:
        """size: width, height of `render`'s images [px]. detailed: whether `render_for_display` shows visual meshes.

        Raises FileNotFoundError if the arm's MJCF is missing, ValueError if it does not match its description.
        """
        self.arm = arm or find_arm()
        self.joint_names = (*self.arm.joint_names, self.arm.gripper_joint_name)
        self.frames = frozenset((BASE_LINK, self.arm.tool_frame, *(frame for _, frame in self.arm.link_frames)))
        self.size, self._detailed = size, detailed
        self._models: dict[int, mujoco.MjModel] = {}
        self._renderers: dict[tuple[int, int, int, bool], OffscreenRenderer] = {}
        self.max_objects = 0
        self.reset(SceneLayout(()))

    def _use_model(self, max_objects: int) -> None:
        """Selects the smallest model: few objects are fast, and a layout always gets the same model."""
        if max_objects == self.max_objects:
            return
        if max_objects not in self._models:
            self._models[max_objects] = build_model(self.arm, max_objects, detailed=self._detailed)
        self.model, self.max_objects = self._models[max_objects], max_objects
        self.data = mujoco.MjData(self.model)
        self._ik = InverseKinematics(self.model, self.arm.joints, self.arm.tool_site, np.array(self.arm.home))
        model, arm = self.model, self.arm
        self._qpos = np.array([model.joint(name).qposadr[0] for name in arm.joints])
        self._qvel = np.array([model.joint(name).dofadr[0] for name in arm.joints])
        self._servos = np.array([model.actuator(f"servo_{name}").id for name in arm.joints])
        self._gripper_actuator, gripper = model.actuator(arm.gripper_actuator).id, model.joint(arm.gripper_joint)
        self._gripper_qpos, self._gripper_qvel = gripper.qposadr[0], gripper.dofadr[0]
        self._site = model.site(arm.tool_site).id
        self._cameras = {name: model.camera(name).id for name in CAMERAS}
        self._links = [(model.body(body).id, frame) for body, frame in arm.link_frames]
        self._object_bodies = np.array([model.body(f"object{i}").id for i in range(self.max_objects)], np.int64)
        hand = {model.body(arm.hand).id}
        self._finger_of_body = np.full(model.nbody, -1)
        for body in range(model.nbody):  # parents come before their children
            if body in hand or model.body_parentid[body] in hand:
                hand.add(body)
                for finger, prefix in enumerate(arm.fingers):
                    if model.body(body).name.startswith(prefix):
                        self._finger_of_body[body] = finger
        self._object_of_body = np.full(model.nbody, -1)
        self._object_of_body[self._object_bodies] = np.arange(self.max_objects)

    def reset(self, layout: SceneLayout) -> None:
        """Places the objects, the cards and the arm, at time 0. Raises ValueError for too many objects or cards."""
        count, cards = len(layout.objects), len(layout.cards)
        for number, what in ((count, "objects"), (cards, "cards")):
            if number > CAPACITIES[-1]:
                raise ValueError(f"The layout has {number} {what}, expected at most {CAPACITIES[-1]}.")
        self._use_model(next(capacity for capacity in CAPACITIES if capacity >= max(count, cards)))
        self.layout, self._present = layout, self._object_bodies[:count]
        mujoco.mj_resetData(self.model, self.data)
        for slot in range(self.max_objects):
            self._place_object(slot)
            self._place_card(slot)
        self._apply_appearance()
        self._place_arm()
        self._linear, self._angular = np.zeros(3), np.zeros(3)
        self._ticks = 0
        self._gripper_target = self._gripper_command = 0.0
        self.data.ctrl[self._gripper_actuator] = self.model.actuator_ctrlrange[self._gripper_actuator, 0]
        mujoco.mj_forward(self.model, self.data)
        self.peak_clearances = self.clearances

    def _place_object(self, slot: int) -> None:
        model, data = self.model, self.data
        placed = self.layout.objects[slot] if slot < len(self.layout.objects) else None
        for shape in SHAPES.values():
            geom = model.geom(f"object{slot}_{shape.name}").id
            present = placed is not None and placed.kind.shape == shape.name
            model.geom_contype[geom] = OBJECT_BIT if present else 0
            model.geom_conaffinity[geom] = OBJECT_BIT | HAND_BIT if present else 0
            model.geom_group[geom] = DRAWN if present else HIDDEN
            if present and placed is not None:
                model.geom_rgba[geom] = (*COLOURS[placed.kind.colour], 1.0)
        start = model.joint(f"object{slot}").qposadr[0]
        model.body_gravcomp[self._object_bodies[slot]] = 0.0 if placed else 1.0
        if placed is None:
            data.qpos[start : start + 7] = (3.0 + slot, 3.0, -0.5, 1, 0, 0, 0)
            return
        height, half = SHAPES[placed.kind.shape].half_height, placed.yaw / 2
        data.qpos[start : start + 7] = (placed.x, placed.y, height, np.cos(half), 0, 0, np.sin(half))

    def _place_card(self, slot: int) -> None:
        model, geom = self.model, self.model.geom(f"card{slot}").id
        card = self.layout.cards[slot] if slot < len(self.layout.cards) else None
        model.geom_group[geom] = HIDDEN if card is None else DRAWN
        if card is not None:
            model.geom_matid[geom] = model.material(CARD + card.symbol).id
            model.geom_rgba[geom] = 1.0
            model.geom_pos[geom] = (card.x, card.y, HALF_SIZE[2])
            model.geom_quat[geom] = (np.cos(card.yaw / 2), 0, 0, np.sin(card.yaw / 2))

    def _apply_appearance(self) -> None:
        model, look = self.model, self.layout.appearance
        table = model.geom("table").id
        model.geom_rgba[table] = (*look.table, 1.0)
        model.geom_matid[table] = -1 if look.pattern == PLAIN else model.material(look.pattern).id
        model.light_diffuse[0] = 0.65 * look.light
        model.light_specular[0] = 0.12
        model.light_dir[0] = np.asarray(look.light_direction) / np.linalg.norm(look.light_direction)
        model.vis.headlight.ambient[:] = np.array((0.35, 0.35, 0.36)) * look.light
        position = np.add(FRONT_POSITION, look.camera_shift)
        camera = self._cameras["front"]
        model.cam_pos[camera] = position
        model.cam_quat[camera] = look_at(position, np.add(FRONT_TARGET, look.target_shift))

    def _place_arm(self) -> None:
        self.reference_position = np.clip(self.layout.start, WORKSPACE_LOW, WORKSPACE_HIGH)
        self._reference_rotation = rotation_matrix((0.0, 0.0, self.layout.start_yaw)) @ POINTING_DOWN
        self._ik.reset()
        for _ in range(40):
            joints = self._ik.step(self.reference_position, self._reference_rotation)
        self.data.qpos[self._qpos] = self.data.ctrl[self._servos] = joints

    def command(self, linear: Vector, angular: Vector, frame_id: str = BASE_LINK) -> None:
        """Sets the velocity of the tool [m/s], [rad/s], shapes (3,), until the next command; zero: stand still.

        frame_id: one of `frames`; the velocity is in its current axes.
        The gripper initially points down; a rotation about x or y tilts it permanently.
        Raises ValueError for an unknown frame and for anything but finite numbers.
        """
        linear, angular = np.asarray(linear, np.float64), np.asarray(angular, np.float64)
        if linear.shape != (3,) or angular.shape != (3,) or not np.isfinite([linear, angular]).all():
            raise ValueError(f"A velocity command needs two vectors of 3 finite numbers, got {linear} and {angular}.")
        axes = self.axes(frame_id)
        self._linear, self._angular = (v.copy() if axes is None else axes @ v for v in (linear, angular))

    def command_gripper(self, closedness: float) -> None:
        """Sets the gripper's target, 0 open ... 1 closed; values outside are clipped. Raises ValueError for NaN."""
        if not np.isfinite(closedness):
            raise ValueError(f"A gripper command is a number from 0 (open) to 1 (closed), got {closedness}.")
        self._gripper_target = float(np.clip(closedness, 0.0, 1.0))

    def step(self, duration: float = CONTROL_PERIOD) -> None:
        """Advances time [s] by a multiple of 0.02 s."""
        for _ in range(round(duration / CONTROL_PERIOD)):
            self._move_reference()
            self.data.ctrl[self._servos] = self._ik.step(self.reference_position, self._reference_rotation)
            limit = GRIPPER_SPEED * CONTROL_PERIOD
            self._gripper_command += float(np.clip(self._gripper_target - self._gripper_command, -limit, limit))
            low, high = self.model.actuator_ctrlrange[self._gripper_actuator]
            self.data.ctrl[self._gripper_actuator] = low + (high - low) * self._gripper_command
            mujoco.mj_step(self.model, self.data, nstep=round(CONTROL_PERIOD / self.model.opt.timestep))
            self._ticks += 1
            self.peak_clearances = np.maximum(self.peak_clearances, self.clearances)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """A context for looking ahead: restores the exact state afterwards."""
        own, joints, data = dict(vars(self)), self._ik.joints, copy.copy(self.data)
        try:
            yield
        finally:
            mujoco.mj_copyData(self.data, self.model, data)
            vars(self).update(own)
            self._ik.joints = joints

    def _move_reference(self) -> None:
        here = self.ee_position
        wanted = self.reference_position + self._linear * CONTROL_PERIOD
        lead = wanted - here
        distance = float(np.linalg.norm(lead))
        if distance > MAX_LEAD:
            wanted = here + lead * (MAX_LEAD / distance)
        self.reference_position = np.clip(wanted, WORKSPACE_LOW, WORKSPACE_HIGH)
        if self._angular.any():
            self._reference_rotation = rotation_matrix(self._angular * CONTROL_PERIOD) @ self._reference_rotation
            lead = rotation_vector(self._reference_rotation @ self.ee_rotation.T)
            angle = float(np.linalg.norm(lead))
            if angle > MAX_ANGULAR_LEAD:
                self._reference_rotation = rotation_matrix(lead * (MAX_ANGULAR_LEAD / angle)) @ self.ee_rotation

    @property
    def time(self) -> float:
        """Simulated time since the reset [s]: a whole number of control periods, without rounding drift."""
        return self._ticks * CONTROL_PERIOD

    @property
    def ee_position(self) -> Vector:
        """Position of the center between the fingertips in the base frame [m], shape (3,)."""
        return np.array(self.data.site_xpos[self._site], np.float64)

    @property
    def ee_rotation(self) -> Vector:
        """Axes of the tool in the base frame, shape (3, 3): z points out of the gripper, the fingers close along y."""
        return np.array(self.data.site_xmat[self._site], np.float64).reshape(3, 3)

    @property
    def ee_yaw(self) -> float:
        """Rotation of the gripper about the vertical [rad], 0 if its fingers close along the base's y axis."""
        axes = self.ee_rotation
        return float(np.arctan2(axes[1, 0], axes[0, 0]))

    @property
    def joint_positions(self) -> Vector:
        """Angles in the order of `joint_names` [rad], shape (n,)."""
        return np.append(self.data.qpos[self._qpos], self.data.qpos[self._gripper_qpos])

    @property
    def joint_velocities(self) -> Vector:
        """In the order of `joint_names` [rad/s], shape (n,)."""
        return np.append(self.data.qvel[self._qvel], self.data.qvel[self._gripper_qvel])

    @property
    def gripper_closedness(self) -> float:
        """Measured position of the fingers, 0 open ... 1 closed."""
        return closedness(self.data.qpos[self._gripper_qpos], *self.arm.gripper_range)

    @property
    def link_poses(self) -> dict[str, Pose]:
        """Poses of the arm's links and of the tool in the base frame, by TF frame id; the base link is the identity."""
        quat = np.empty(4)
        mujoco.mju_mat2Quat(quat, self.data.site_xmat[self._site])
        tool = Pose(self.ee_position, np.roll(quat, -1))
        data = self.data
        links = {frame: Pose(data.xpos[i].copy(), np.roll(data.xquat[i], -1)) for i, frame in self._links}
        return {**links, self.arm.tool_frame: tool}

    def axes(self, frame_id: str) -> Vector | None:
        """Current axes of a frame in the base frame, shape (3, 3); None for the base frame itself.

        Raises ValueError for an unknown frame.
        """
        if (unknown := refuse_frame(frame_id, self.frames)) is not None:
            raise ValueError(unknown)
        if frame_id in (BASE_LINK, self._links[0][1]):
            return None
        if frame_id == self.arm.tool_frame:
            return self.ee_rotation
        body = next(body for body, frame in self._links if frame == frame_id)
        return np.array(self.data.xmat[body], np.float64).reshape(3, 3)

    @property
    def object_positions(self) -> Vector:
        """Centers of the objects in the base frame [m], shape (objects, 3), in the layout's order."""
        return np.array(self.data.xpos[self._present], np.float64)

    @property
    def object_rotations(self) -> Vector:
        """Axes of the objects in the base frame, shape (objects, 3, 3)."""
        return np.array(self.data.xmat[self._present], np.float64).reshape(-1, 3, 3)

    @property
    def clearances(self) -> Vector:
        """Height of each object's lowest point above the table [m], shape (objects,)."""
        placed = zip(self.layout.objects, self.object_positions, self.object_rotations, strict=True)
        return np.array([at[2] - lowest_point(SHAPES[item.kind.shape], axes) for item, at, axes in placed])

    def touched(self) -> list[set[int]]:
        """Indices of the objects that each finger touches."""
        fingers: list[set[int]] = [set() for _ in self.arm.fingers]
        for contact in self.data.contact[: self.data.ncon]:
            bodies = self.model.geom_bodyid[contact.geom]
            for hand, thing in (bodies, bodies[::-1]):
                if self._finger_of_body[hand] >= 0 and self._object_of_body[thing] >= 0:
                    fingers[self._finger_of_body[hand]].add(int(self._object_of_body[thing]))
        return fingers

    def gripped(self) -> int | None:
        """Index of the object touched by both fingers; None if there is none."""
        both = set.intersection(*self.touched())
        return min(both) if both else None

    def render(self, camera: str) -> NDArray[np.uint8]:
        """The current image of a policy's camera: RGB, uint8, shape (height, width, 3) with the constructor's size.

        Raises ValueError for an unknown camera, RuntimeError if no OpenGL library is found.
        """
        return self._renderer(*self.size, for_display=False).render(self.model, self.data, self.camera_id(camera))

    def render_for_display(self, camera: str, width: int, height: int) -> NDArray[np.uint8]:
        """The same state with shadows and antialiasing, RGB, uint8, shape (height, width, 3); slower than `render`."""
        return self._renderer(width, height, for_display=True).render(self.model, self.data, self.camera_id(camera))

    def intrinsics(self, camera: str, width: int, height: int) -> Vector:
        """Camera matrix K [px] of an image of this size, shape (3, 3): square pixels, no distortion."""
        focal = height / 2 / np.tan(np.deg2rad(self.model.cam_fovy[self.camera_id(camera)]) / 2)
        return np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])

    def camera_mount(self, camera: str) -> tuple[str, Pose]:
        """The TF frame to which a camera is fixed, and the pose of its optical frame in that frame.

        The optical frame's axes follow REP-103: x to the right of the image, y down, z into it.
        """
        number = self.camera_id(camera)
        position, axes = self.data.cam_xpos[number], self.data.cam_xmat[number].reshape(3, 3) * (1.0, -1.0, -1.0)
        frame = self._links[0][1]
        if self.model.cam_bodyid[number] == self.model.site_bodyid[self._site]:
            frame, turn = self.arm.tool_frame, self.ee_rotation.T
            position, axes = turn @ (position - self.ee_position), turn @ axes
        quat = np.empty(4)
        mujoco.mju_mat2Quat(quat, np.ascontiguousarray(axes).ravel())
        return frame, Pose(np.array(position, np.float64), np.roll(quat, -1))

    def camera_id(self, camera: str) -> int:
        """MuJoCo's id of a camera. Raises ValueError for an unknown name."""
        if camera not in self._cameras:
            raise ValueError(f"There is no camera {camera!r}; available: {', '.join(self._cameras)}.")
        return int(self._cameras[camera])

    def _renderer(self, width: int, height: int, *, for_display: bool) -> OffscreenRenderer:
        key = (self.max_objects, width, height, for_display)
        if key not in self._renderers:
            arm = DETAILED_ARM if for_display and self._detailed else ARM
            self._renderers[key] = OffscreenRenderer(self.model, width, height, (DRAWN, arm), for_display=for_display)
        return self._renderers[key]

    def close(self) -> None:
        """Releases the graphics memory."""
        for renderer in self._renderers.values():
            renderer.close()
        self._renderers.clear()
