"""Every feature of the action card, for each kind of policy: the nodes do what the offline rollout does, to the bit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
import tf2_ros
import torch
from geometry_msgs.msg import TransformStamped
from numpy.typing import NDArray
from rt_vla_ros.msg import ControllerStatus
from rt_vla_ros.srv import TaskOutcome
from std_msgs.msg import Float64MultiArray, String
from support.actions import one_step
from support.node_bench import NodeBench
from support.rt1 import tiny_model
from support.scripted_policy import ConstantPolicy
from support.vlms import save_openvla, save_vlm
from tf2_ros import StaticTransformBroadcaster

from rt_vla_ros.action_space.card import ActionCard, ActionDimension, CameraSpec
from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.action_space.ensemble import NEWEST, Ensemble
from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.control.status import State
from rt_vla_ros.evaluation.rollout import make_controller, rollout
from rt_vla_ros.nodes import policy_node
from rt_vla_ros.nodes.sim_arm_node import SimArmNode
from rt_vla_ros.nodes.sim_arm_parameters import POLICY_WITH_SIM_ARM
from rt_vla_ros.nodes.smoother_node import SmootherNode
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import Policy
from rt_vla_ros.policies.rt1.policy import RT1Policy
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.sim import TabletopSim, make_scene
from rt_vla_ros.sim.pacing import steps_per_action

SEED, INSTRUCTION, STEPS = 11, "pick up the red cube", 3
STEP, TURN, WIDE = 0.03, 0.2, 1.0
FAMILIES = ("rt1", "rt2", "openvla")
TERMINATE = ActionDimension("terminate", "terminate", 0.0, 0.0, "mode", ("move", "terminate", "move_base"))
BASE_VELOCITY = ActionDimension("base_displacement", "unused", -1.0, 1.0, "m")


def moves(step: float = STEP, turn: float = TURN) -> tuple[ActionDimension, ...]:
    return (
        *(ActionDimension(f"d{a}", f"translation_{a}", -step, step, "m") for a in "xyz"),
        *(ActionDimension(f"r{a}", f"rotation_{a}", -turn, turn, "rad") for a in "xyz"),
    )


def gripper(low: float, high: float) -> ActionDimension:
    return ActionDimension("gripper", "gripper", low, high, "1")


USUAL = ActionCard(
    name="features",
    dimensions=(*moves(), gripper(0.0, 1.0)),
    bins=256,
    quantization="round",
    frame="base",
    frame_id="panda_link0",
    rotation="rotation_vector",
    gripper_open=0.0,
    gripper_closed=1.0,
    control_rate=5.0,
    cameras=(CameraSpec("front", 96, 96, "center", 0.0),),
)
RT1_RANGES = (*moves(1.75, 1.4), gripper(-1.0, 1.0))
FEATURES: dict[str, dict[str, Any]] = {
    "base frame of the arm": {},
    "base_link": {"frame_id": "base_link"},
    "end effector": {"frame": "end_effector", "frame_id": "panda_hand_tcp"},
    "a moving link": {"frame": "end_effector", "frame_id": "panda_link7"},
    "roll, pitch, yaw": {"rotation": "rpy"},
    "terminate": {"dimensions": (TERMINATE, *USUAL.dimensions)},
    "unused dimensions": {"dimensions": (BASE_VELOCITY, *USUAL.dimensions, replace(BASE_VELOCITY, name="turn"))},
    "no gripper": {"dimensions": moves()},
    "no rotation": {"dimensions": (*moves()[:3], gripper(0.0, 1.0))},
    "gripper 1 open, -1 closed": {
        "dimensions": (*moves(), gripper(-1.0, 1.0)),
        "gripper_open": 1.0,
        "gripper_closed": -1.0,
    },
    "google_robot": {
        "dimensions": (*moves(), gripper(-1.0, 1.0)),
        "postprocessing": "google_robot",
        "gripper_open": -1.0,
        "gripper_closed": 1.0,
    },
    "widowx": {
        "dimensions": RT1_RANGES,
        "postprocessing": "widowx",
        "rotation": "rpy",
        "gripper_open": 1.0,
        "gripper_closed": -1.0,
    },
    "3 Hz": {"control_rate": 3.0},
    "10 Hz": {"control_rate": 10.0},
    "20 Hz": {"control_rate": 20.0},
    "truncate": {"quantization": "truncate"},
    "centers": {"quantization": "centers"},
}
STATE = (
    StateDimension("z", "m", 0.0, 0.4, "tip:z"),
    *(StateDimension(f"r{a}", "rad", m - 1, m + 1, f"tip:r{a}") for a, m in zip("xyz", (3, 0, 0), strict=True)),
    StateDimension("grip", "1", 0.0, 1.0, "gripper"),
    StateDimension("q2", "rad", -3.0, 3.0, "-joint:panda_joint2"),
    StateDimension("knuckle", "rad", 0.0, 0.8, "joint:robotiq_85_left_knuckle_joint"),
)
OF_RT1: dict[str, dict[str, Any]] = {
    "a horizon": {"horizon": 3, "execute_steps": 2},
    "two cameras": {"cameras": (*USUAL.cameras, replace(USUAL.cameras[0], name="wrist"))},
    "the robot's state": {"state": STATE},
}
OF_RT1["all of them"] = {name: value for one in OF_RT1.values() for name, value in one.items()}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a frame that TF does not know": ({"frame_id": "tool0"}, "TF does not know the frame 'tool0' of the actions; "),
    "steps that no arm makes": ({"dimensions": (*moves(WIDE), gripper(0.0, 1.0))}, "more than max_translation"),
}


@dataclass(frozen=True)
class Motion:
    """What the simulator went through: generalised positions at each decision, (STEPS, n), from 0 s."""

    states: NDArray[np.float64]
    refusal: str
    confidences: tuple[float, ...] = ()


class MovedByAll(ConstantPolicy):
    """Where it goes depends on the last bits of all that it sees of the robot, and on every pixel."""

    def act(self, observation: Observation) -> ActionChunk:
        assert observation.state is not None
        state = np.sin(1e6 * observation.state)
        pixels = sum(float(np.sin(image.sum())) for image in observation.images.values())
        towards = 0.005 * (state[:3] + state[3:6] + state[6] + pixels)
        return one_step(frame_id=self.card.frame_id, translation=towards, gripper=float(state[0] > 0))


@cache
def checkpoint(family: str) -> Path:
    directory = Path(mkdtemp(prefix=f"card-features-{family}-"))
    return save_vlm(directory, "paligemma") if family == "rt2" else save_openvla(directory)


@cache
def loaded(family: str) -> RT2Policy:
    policy = load_policy(str(checkpoint(family)), device="cpu")
    assert isinstance(policy, RT2Policy)
    return policy


def make_policy(family: str, card: ActionCard) -> Policy:
    """Random weights; what they write differs from image to image."""
    if family == "rt1":
        side = tiny_model().config.input_size[0]
        card = replace(card, cameras=tuple(replace(one, width=side, height=side) for one in card.cameras))
        counts = tuple(len(d.modes) if d.role == "terminate" else card.bins for d in card.dimensions)
        inputs = {"num_cameras": len(card.cameras), "state_size": len(card.state), "horizon": card.horizon}
        return RT1Policy(tiny_model(tokens_per_dimension=counts, **inputs), card, decoding="argmax")
    parts = loaded(family).parts
    if family == "openvla":
        card = replace(card, cameras=parts.card.cameras)
    return RT2Policy(replace(parts, card=card), pack=False)


class ChunkPolicy:
    """Four steps at once, others for every pixel that changes; `end`: the one of the second chunk that terminates."""

    name = "chunks"

    def __init__(self, execute_steps: int, ensemble: Ensemble, end: int | None = None) -> None:
        self.card = replace(USUAL, horizon=4, execute_steps=execute_steps, ensemble=ensemble)
        self._end = end

    def reset(self, instruction: str) -> None:
        self._decided = 0

    def act(self, observation: Observation) -> ActionChunk:
        self._decided += 1
        end = self._end if self._decided == 2 else None
        digest = hashlib.sha256(np.ascontiguousarray(observation.images["front"]).tobytes()).digest()
        numbers = np.frombuffer(digest, np.uint8).reshape(4, 8) / 255 - 0.5  # -0.5 ... 0.5
        steps = [
            EndEffectorStep(row[:3] / 20, row[3:6] / 5, float(row[6] > 0), i == end) for i, row in enumerate(numbers)
        ]
        return ActionChunk(tuple(steps), self.card.period, frame_id=self.card.frame_id, ensemble=self.card.ensemble)


def directly(policy: Policy, min_confidence: float = 0.0, max_steps: int = STEPS) -> Motion:
    camera = policy.card.cameras[0]
    sim, steps = TabletopSim(size=(camera.width, camera.height)), list[tuple[NDArray[np.float64], float]]()
    scene = make_scene("pick-colours", SEED, INSTRUCTION)
    result = rollout(
        policy,
        scene,
        sim,
        make_controller(sim),
        max_steps=max_steps,
        min_confidence=min_confidence,
        on_step=lambda step: steps.append((np.array(sim.data.qpos), step.chunk.confidence)),
    )
    sim.close()
    states, confidences = zip(*steps, strict=True)
    return Motion(np.array(states), result.refusal, confidences)


def through_ros(
    make_bench: Callable[..., NodeBench],
    monkeypatch: pytest.MonkeyPatch,
    policy: Policy,
    steps: int,
    min_confidence: float = 0.0,
    mounted: str = "",
) -> Motion:
    """The three nodes in lock step, until the beginning of as many steps.

    mounted: a frame that somebody else publishes at the tool.
    """
    camera, ticks = policy.card.cameras[0], policy.card.execute_steps * steps_per_action(policy.card.period)
    cameras = [one.name for one in policy.card.cameras]
    parameters = {
        "sim_arm_node:wrist_image": str("wrist" in cameras).lower(),
        "sim_arm_node:lock_step": "true",
        "sim_arm_node:seed": SEED,
        "sim_arm_node:instruction": f"'{INSTRUCTION}'",
        "sim_arm_node:image_width": camera.width,
        "sim_arm_node:image_height": camera.height,
        "sim_arm_node:policy_period": ticks * 0.02,
        "smoother_node:use_sim_time": "true",
        "policy_node:use_sim_time": "true",
        "policy_node:cameras": f"[{', '.join(cameras)}]",
        "policy_node:min_confidence": min_confidence,
        **{f"policy_node:{name}": value for name, value in POLICY_WITH_SIM_ARM.items()},
    }
    bench = make_bench(*(word for name, value in parameters.items() for word in ("-p", f"{name}:={value}")))
    monkeypatch.setattr(policy_node, "load_policy", lambda name, **options: policy)
    heard: list[Float64MultiArray] = bench.listen(Float64MultiArray, "sim_arm_node/state")
    statuses: list[ControllerStatus] = bench.listen(ControllerStatus, "controller_status")
    arm = bench.add(SimArmNode())
    start = np.array([0.0, *arm._world.sim.data.qpos])
    smoother = bench.add(SmootherNode())
    if mounted:
        frame = TransformStamped(child_frame_id=mounted)
        frame.header.frame_id, frame.transform.rotation.w = "panda_hand_tcp", 1.0
        StaticTransformBroadcaster(bench.world).sendTransform(frame)
    for frame_id in ("panda_link7", mounted or "panda_link7"):
        bench.until(partial(lambda f: smoother.transforms.refuse(f) is None, frame_id), "TF is not known")
    bench.add(policy_node.PolicyNode())
    bench.until(lambda: bench.diagnostics.get("/policy_node", (1, ""))[1] == "Waiting for an instruction.")
    bench.publisher(String, "instruction").publish(String(data=INSTRUCTION))
    wanted = [round(i * ticks * 0.02, 9) for i in range(1, steps)]
    states = {0.0: start[1:]}

    def all_heard() -> bool:
        states.update({round(message.data[0], 9): np.array(message.data[1:]) for message in heard})
        return all(time in states for time in wanted)

    bench.until(all_heard, f"the simulation stands still: {statuses[-1].reason if statuses else 'no status'}")
    faults = [status.reason for status in statuses if status.state == State.FAULT]
    return Motion(np.array([states[time] for time in (0.0, *wanted)]), faults[0] if faults else "")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.mark.parametrize(
    ("family", "feature"), [*((f, name) for f in FAMILIES for name in FEATURES), *(("rt1", name) for name in OF_RT1)]
)
def test_a_card_gives_the_same_motion_offline_and_through_ros(
    make_bench: Callable[..., NodeBench], monkeypatch: pytest.MonkeyPatch, family: str, feature: str
) -> None:
    policy = make_policy(family, replace(USUAL, **(FEATURES | OF_RT1)[feature]))
    offline = directly(policy)
    assert offline.refusal == ""
    assert len(offline.states) >= 2, "the policy terminated at once: choose other weights"
    online = through_ros(make_bench, monkeypatch, policy, len(offline.states))
    np.testing.assert_array_equal(online.states, offline.states)
    assert not np.array_equal(offline.states[0], offline.states[-1])
    assert online.refusal == ""


@pytest.mark.parametrize("feature", ["base frame of the arm", "end effector"])
def test_state_and_cameras_are_the_same_offline_and_through_ros(
    make_bench: Callable[..., NodeBench], monkeypatch: pytest.MonkeyPatch, feature: str
) -> None:
    cameras = (USUAL.cameras[0], replace(USUAL.cameras[0], name="wrist"))
    card = replace(USUAL, **FEATURES[feature], state=STATE, cameras=cameras)
    policy = MovedByAll()
    policy.card = card
    offline = directly(policy)
    assert offline.refusal == ""
    online = through_ros(make_bench, monkeypatch, policy, STEPS)
    # tf2's own C++ rounds the product of rotations in another order.
    tolerance = 0.0 if "zenoh_ros" in str(tf2_ros.__file__) else 1e-9
    np.testing.assert_allclose(online.states, offline.states, rtol=0, atol=tolerance)
    assert not np.array_equal(offline.states[1], offline.states[2])


@pytest.mark.parametrize(
    ("execute_steps", "ensemble"),
    [
        (4, NEWEST),
        (1, Ensemble("weighted", 0.5, 4)),
        (2, Ensemble("mean", chunks=2)),
        (1, Ensemble("exponential", 0.01, 4)),
    ],
)
def test_chunks_give_the_same_motion_offline_and_through_ros(
    make_bench: Callable[..., NodeBench],
    monkeypatch: pytest.MonkeyPatch,
    execute_steps: int,
    ensemble: Ensemble,
) -> None:
    policy = ChunkPolicy(execute_steps, ensemble)
    offline = directly(policy, max_steps=STEPS * execute_steps)
    assert len(offline.states) >= STEPS
    assert offline.refusal == ""
    online = through_ros(make_bench, monkeypatch, policy, len(offline.states))
    np.testing.assert_array_equal(online.states, offline.states)
    assert online.refusal == ""


def test_a_terminate_within_a_chunk_ends_both_at_the_same_tick(
    make_bench: Callable[..., NodeBench], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, seconds = ChunkPolicy(4, NEWEST, end=1), 0.8 + 0.2 + 0.02
    sim = TabletopSim(size=(96, 96))
    offline = rollout(policy, make_scene("pick-colours", SEED, INSTRUCTION), sim, make_controller(sim))
    sim.close()
    assert (offline.steps, offline.terminated, offline.seconds) == (2, True, round(seconds, 9))
    benches: list[NodeBench] = []

    def keep_bench(*arguments: str) -> NodeBench:
        benches.append(make_bench(*arguments))
        return benches[0]

    through_ros(keep_bench, monkeypatch, policy, 2)
    benches[0].until_diagnostics("policy_node", 0, "Waiting for an instruction.")
    benches[0].until_diagnostics("smoother_node", 0, "The policy reports that the instruction is done.")
    assert round(benches[0].call(TaskOutcome, "sim_arm_node/outcome").seconds, 9) == offline.seconds


@pytest.mark.parametrize("feature", REFUSED)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_card_is_refused_in_the_same_words_offline_and_through_ros(
    make_bench: Callable[..., NodeBench], monkeypatch: pytest.MonkeyPatch, family: str, feature: str
) -> None:
    changes, words = REFUSED[feature]
    policy = make_policy(family, replace(USUAL, **changes))
    offline = directly(policy)
    assert words in offline.refusal
    online = through_ros(make_bench, monkeypatch, policy, len(offline.states))
    told = online.refusal.replace("front_camera_optical_frame, ", "")  # of a node that publishes images
    assert told.split(" m, more")[-1] == offline.refusal.split(" m, more")[-1]
    np.testing.assert_array_equal(online.states, offline.states)


def test_a_frame_that_somebody_else_publishes_is_followed(
    make_bench: Callable[..., NodeBench], monkeypatch: pytest.MonkeyPatch
) -> None:
    offline = directly(make_policy("rt1", replace(USUAL, **FEATURES["end effector"])))
    policy = make_policy("rt1", replace(USUAL, frame="end_effector", frame_id="mounted"))
    online = through_ros(make_bench, monkeypatch, policy, len(offline.states), mounted="mounted")
    assert online.refusal == ""
    assert not np.array_equal(online.states[0], online.states[-1])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_frame_decides_where_the_arm_goes(family: str) -> None:
    base, tool = (
        directly(make_policy(family, replace(USUAL, **FEATURES[feature])))
        for feature in ("base frame of the arm", "end effector")
    )
    assert np.abs(base.states[-1] - tool.states[-1]).max() > 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_an_unsure_policy_is_held_offline_as_through_ros(
    make_bench: Callable[..., NodeBench], monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    policy = make_policy(family, USUAL)
    free = directly(policy)
    threshold = round(free.confidences[0] + 1e-3, 6)
    held = directly(policy, threshold)
    assert not np.array_equal(held.states, free.states)
    online = through_ros(make_bench, monkeypatch, policy, len(held.states), threshold)
    np.testing.assert_array_equal(online.states, held.states)
