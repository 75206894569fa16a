"""The MuJoCo model: arm, table, cameras and a pool of objects, assembled with MjSpec."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from rt_vla_ros.sim.arm import ArmDescription
from rt_vla_ros.sim.cards import HALF_SIZE, draw_symbols
from rt_vla_ros.sim.objects import MASS, SHAPES

FRONT_POSITION = (1.15, 0.0, 0.75)
FRONT_TARGET = (0.47, 0.0, 0.08)
FRONT_FOVY = 32.0  # [deg]
TABLE_CENTRE, TABLE_HALF_SIZE = (0.40, 0.0, -0.02), (0.50, 0.60, 0.02)
TIMESTEP = 0.004  # [s]

# Geom groups: always drawn, the arm for policies, the arm for display, contacts only.
DRAWN, ARM, DETAILED_ARM, HIDDEN = 1, 3, 2, 4
# Contact bits: the hand collides with objects and table, objects with each other and the table, the arm with nothing.
OBJECT_BIT, HAND_BIT = 1, 2
LARGE_MESH_BYTES = 60_000

CARD = "card_"  # prefix of the symbol in the name of a card's material
PATTERN_SIZE = 128  # size of a pattern, which is tiled [px]
DARKEST = 0.55  # brightness of the darkest spot; the brightest has 1


def look_at(position: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orientation of an upright camera at `position` looking at `target`: quaternion w x y z, shape (4,)."""
    back = (position - target) / np.linalg.norm(position - target)
    right = np.cross((0.0, 0.0, 1.0), back)
    right /= np.linalg.norm(right)
    quat = np.empty(4)
    mujoco.mju_mat2Quat(quat, np.stack([right, np.cross(back, right), back], axis=1).ravel())
    return quat


def build_model(arm: ArmDescription, max_objects: int, *, detailed: bool = False) -> mujoco.MjModel:
    """Compiles the scene: the arm at a table, `max_objects` bodies that can take every shape, and as many cards.

    detailed: whether to keep the arm's visual meshes, for display (slower to load and render).
    Raises ValueError, with the missing names, if the MJCF does not match its description.
    """
    spec = mujoco.MjSpec.from_file(os.fspath(arm.mjcf))
    _check_names(spec, arm)
    _set_options(spec)
    _lighten_arm(spec, arm, detailed=detailed)
    _drive_arm(spec, arm)
    _add_surroundings(spec)
    _add_cameras(spec, arm)
    for index in range(max_objects):
        _add_object(spec, index)
    _add_cards(spec, max_objects)
    return spec.compile()


def _check_names(spec: Any, arm: ArmDescription) -> None:
    wanted = {
        "joint": (*arm.joints, arm.gripper_joint),
        "body": (arm.hand, *(body for body, _ in arm.link_frames)),
        "site": (arm.tool_site,),
        "actuator": (arm.gripper_actuator,),
    }
    for kind, names in wanted.items():
        present = [item.name for item in getattr(spec, {"body": "bodies"}.get(kind, kind + "s"))]
        if missing := [name for name in names if name not in present]:
            raise ValueError(
                f"{arm.mjcf} has no {kind} {', '.join(missing)}; it has {', '.join(filter(None, present))}. "
                "Describe the arm with the names in its file (ArmDescription)."
            )


def _set_options(spec: Any) -> None:
    option = spec.option
    option.timestep, option.integrator = TIMESTEP, mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    option.cone, option.impratio = mujoco.mjtCone.mjCONE_ELLIPTIC, 10
    option.noslip_iterations, option.noslip_tolerance = 3, 0
    for item in (*spec.sensors, *spec.keys):
        spec.delete(item)


def _lighten_arm(spec: Any, arm: ArmDescription, *, detailed: bool) -> None:
    """Shows collision meshes instead of visual ones, and boxes instead of large collision meshes."""
    base = Path(arm.mjcf).parent
    files = {mesh.name or Path(mesh.file).stem: base / (spec.meshdir or "") / mesh.file for mesh in spec.meshes}
    hand = _subtree(spec.body(arm.hand))
    used = set()
    for geom in list(spec.geoms):
        visual_only = geom.contype == 0 and geom.conaffinity == 0
        if visual_only and not detailed:
            spec.delete(geom)
            continue
        in_hand = geom.parent.name in hand
        geom.group = DETAILED_ARM if visual_only else ARM
        geom.contype, geom.conaffinity = (HAND_BIT if in_hand and not visual_only else 0), 0
        if not visual_only:
            geom.rgba = (0.16, 0.17, 0.19, 1.0) if in_hand else (0.90, 0.91, 0.93, 1.0)
        if in_hand and not visual_only:
            geom.condim, geom.friction = 4, (1.0, 0.02, 0.0005)
        if geom.type == mujoco.mjtGeom.mjGEOM_MESH:
            used.add(geom.meshname)
            if not visual_only and files[geom.meshname].stat().st_size > LARGE_MESH_BYTES:
                geom.type = mujoco.mjtGeom.mjGEOM_BOX
    for mesh in list(spec.meshes):
        if (mesh.name or Path(mesh.file).stem) not in used:
            spec.delete(mesh)


def _subtree(body: Any) -> set[str]:
    return {body.name}.union(*(_subtree(child) for child in body.bodies))


def _drive_arm(spec: Any, arm: ArmDescription) -> None:
    """Replaces the arm's actuators by position servos, and disables gravity for its links."""
    for actuator in list(spec.actuators):
        if actuator.name != arm.gripper_actuator:
            spec.delete(actuator)
    for joint, stiffness, limit in zip(arm.joints, arm.stiffness, arm.torque_limits, strict=True):
        servo = spec.add_actuator(name=f"servo_{joint}", target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        servo.set_to_position(kp=stiffness, kv=stiffness * 0.05)
        servo.forcerange, servo.forcelimited = (-limit, limit), True
    for body in spec.bodies:
        body.gravcomp = 1.0


def _add_surroundings(spec: Any) -> None:
    spec.visual.headlight.ambient = (0.35, 0.35, 0.36)
    spec.visual.headlight.diffuse = (0.25, 0.25, 0.25)
    spec.visual.headlight.specular = (0.05, 0.05, 0.05)
    spec.visual.map.znear, spec.visual.map.zfar = 0.02, 20.0
    spec.visual.map.shadowclip = 2.0
    spec.stat.extent, spec.stat.center = 1.0, (0.4, 0.0, 0.2)
    spec.add_texture(
        name="sky", type=mujoco.mjtTexture.mjTEXTURE_SKYBOX, builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=(0.80, 0.86, 0.92), rgb2=(0.45, 0.52, 0.62), width=64, height=384,
    )  # fmt: skip
    for name, pixels in draw_patterns().items():
        _add_printed(spec, name, pixels, repeat=5, shine=0.5)
    world = spec.worldbody
    directional = mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
    world.add_light(name="lamp", pos=(0.9, -0.5, 2.0), dir=(-0.35, 0.25, -1.0), type=directional, castshadow=True)
    world.add_geom(
        name="table", type=mujoco.mjtGeom.mjGEOM_BOX, pos=TABLE_CENTRE, size=TABLE_HALF_SIZE, group=DRAWN,
        contype=0, conaffinity=0,
    )  # fmt: skip
    # Objects rest on a plane, with exact and fast contacts; a cylinder on a large box has unstable ones.
    world.add_geom(
        name="table_top", type=mujoco.mjtGeom.mjGEOM_PLANE, size=(1, 1, 0.1), group=HIDDEN,
        contype=0, conaffinity=OBJECT_BIT | HAND_BIT, condim=3, friction=(0.8, 0.01, 0.0005),
    )  # fmt: skip
    world.add_geom(
        name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, pos=(0, 0, -0.75), size=(6, 6, 0.1), group=DRAWN,
        contype=0, conaffinity=0, rgba=(0.36, 0.40, 0.45, 1),
    )  # fmt: skip


def _add_cameras(spec: Any, arm: ArmDescription) -> None:
    for camera in list(spec.cameras):
        spec.delete(camera)
    position, target = np.array(FRONT_POSITION), np.array(FRONT_TARGET)
    spec.worldbody.add_camera(name="front", pos=position, quat=look_at(position, target), fovy=FRONT_FOVY)
    overview = np.array((1.45, -0.95, 0.85))
    towards = look_at(overview, np.array((0.28, 0.0, 0.24)))
    spec.worldbody.add_camera(name="overview", pos=overview, quat=towards, fovy=36)
    site = next(site for site in spec.sites if site.name == arm.tool_site)
    wrist = site.parent.add_camera(name="wrist", fovy=65)
    # Behind the knuckles, looking along the gripper at the space between the fingertips.
    wrist.pos = np.add(site.pos, (0.075, 0.0, -0.125))
    wrist.quat = look_at(np.asarray(wrist.pos), np.add(site.pos, (0.0, 0.0, 0.01)))


def _add_object(spec: Any, index: int) -> None:
    body = spec.worldbody.add_body(name=f"object{index}", pos=(0.45, 0.3 * index, 0.1))
    joint = body.add_freejoint(name=f"object{index}")
    joint.damping = (0.0002, 0.0, 0.0)
    body.mass = MASS
    body.ipos, body.inertia = (0, 0, 0), (1.2e-5, 1.2e-5, 1.2e-5)
    body.explicitinertial = True
    for shape in SHAPES.values():
        size = np.zeros(3)
        size[: len(shape.half_size)] = shape.half_size
        # All are compiled with contacts: MuJoCo cannot add bodies to its broad phase later.
        body.add_geom(
            name=f"object{index}_{shape.name}", type=getattr(mujoco.mjtGeom, f"mjGEOM_{shape.geom.upper()}"), size=size,
            group=DRAWN, contype=OBJECT_BIT, conaffinity=OBJECT_BIT | HAND_BIT, condim=3, friction=(0.8, 0.01, 0.0005),
        )  # fmt: skip


def _add_cards(spec: Any, count: int) -> None:
    """Adds hidden cards to the world, which `TabletopSim.reset` shows and moves."""
    for symbol, pixels in draw_symbols().items():
        _add_printed(spec, CARD + symbol, np.rot90(pixels), repeat=1, shine=0.1)
    for index in range(count):
        # A pose that differs from the body's: otherwise MuJoCo would remove it, and the card could not be moved.
        spec.worldbody.add_geom(
            name=f"card{index}", type=mujoco.mjtGeom.mjGEOM_BOX, pos=(0.4, 0.1, 0.1), quat=(0.8, 0, 0, 0.6),
            size=HALF_SIZE, group=HIDDEN, contype=0, conaffinity=0,
        )  # fmt: skip


def _add_printed(spec: Any, name: str, pixels: NDArray[np.uint8], *, repeat: int, shine: float) -> None:
    """Adds a material with an image, RGB (H, W, 3)."""
    height, width, channels = pixels.shape
    kind = mujoco.mjtTexture.mjTEXTURE_2D
    texture = spec.add_texture(name=name, type=kind, width=width, height=height, nchannel=channels)
    texture.data = np.ascontiguousarray(pixels).tobytes()
    material = spec.add_material(
        name=name, texrepeat=(repeat, repeat), texuniform=False, specular=shine, shininess=shine
    )
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name


def draw_patterns() -> dict[str, NDArray[np.uint8]]:
    """Brightness patterns of the table top, multiplied by its color: gray as RGB, uint8, shape (128, 128, 3)."""
    rows, columns = np.indices((PATTERN_SIZE, PATTERN_SIZE)) / PATTERN_SIZE

    def cloud(seed: int, waves: int, stretch: float) -> NDArray[np.float64]:
        """Smooth seamless noise: a sum of waves; `stretch` elongates it along the columns."""
        rng, total = np.random.default_rng(seed), np.zeros((PATTERN_SIZE, PATTERN_SIZE))
        for _ in range(60):
            down, across = rng.integers(-waves, waves + 1), round(float(rng.integers(-waves, waves + 1)) / stretch)
            total += np.sin(2 * np.pi * (down * rows + across * columns + rng.random()))
        return np.asarray((total - total.min()) / np.ptp(total))

    places = np.random.default_rng(9).random((14, 2))  # of the patches' centers
    apart = np.abs(np.stack([rows, columns], axis=-1)[..., None, :] - places)
    nearest = np.square(np.minimum(apart, 1 - apart)).sum(-1).argmin(-1)  # (128, 128)
    brightness = {
        "checks": ((rows < 0.5) ^ (columns < 0.5)).astype(np.float64),
        "speckles": np.random.default_rng(1).random((PATTERN_SIZE // 4, PATTERN_SIZE // 4)).repeat(4, 0).repeat(4, 1),
        "clouds": cloud(7, 5, 1.0),
        "wood": np.where((rows * 4) % 1 < 0.04, 0.0, 0.35 + 0.65 * cloud(3, 24, 12.0)),  # boards with a grain
        "gingham": 1.0 - 0.5 * ((rows * 2) % 1 < 0.5) - 0.5 * ((columns * 2) % 1 < 0.5),
        "marble": np.clip(6.0 * np.abs(cloud(5, 4, 1.0) - 0.5), 0.0, 1.0),  # thin dark veins
        "grid": 1.0 - (((rows * 4) % 1 < 0.12) | ((columns * 4) % 1 < 0.12)),  # tiles
        "dots": 1.0 - (np.hypot((rows * 3) % 1 - 0.5, (columns * 3) % 1 - 0.5) < 0.3),
        "rings": 0.5 + 0.5 * np.cos(16 * np.pi * np.hypot(rows - 0.5, columns - 0.5)),
        "patches": np.random.default_rng(11).random(len(places))[nearest],
        "stripes": (((rows + columns) * 3) % 1 < 0.5).astype(np.float64),
    }
    grey = {name: np.rint(255 * (DARKEST + (1.0 - DARKEST) * values)) for name, values in brightness.items()}
    return {name: np.repeat(values.astype(np.uint8)[..., None], 3, axis=2) for name, values in grey.items()}
