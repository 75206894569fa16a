"""LIBERO: names, images and refusals always; the benchmark where `rt-vla env install libero` has installed it."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.scripted_policy import ConstantPolicy

from rt_vla_ros.action_space.card import ActionCardError, CameraSpec
from rt_vla_ros.action_space.chunk import ActionChunk, EndEffectorStep
from rt_vla_ros.environments.environment import EnvironmentRefusal
from rt_vla_ros.environments.exact_follower import ExactFollower
from rt_vla_ros.environments.installs import installed
from rt_vla_ros.environments.libero import (
    LiberoEnvironment,
    libero_benchmark,
    libero_card,
    libero_tasks,
    policy_image,
)
from rt_vla_ros.environments.native_action import NativeActions
from rt_vla_ros.environments.opening import EnvironmentChoice
from rt_vla_ros.environments.serving_check import refuse_card
from rt_vla_ros.evaluation.players import DirectPlayer
from rt_vla_ros.evaluation.plumbing import Unseen, check_plumbing
from rt_vla_ros.policies.rt2.openvla.card import card_from_statistics

TASK = "libero:libero_object/0"
NAMES = ("pick_up_the_butter", "pick_up_the_milk")
needs_libero = pytest.mark.skipif(
    installed("libero") is None, reason="LIBERO is not installed: rt-vla env install libero"
)


def lanczos(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """tf.image.resize's kernel, lanczos3 with antialiasing, along the first axis, from its definition."""
    scale = len(values) / size
    made = []
    for at in range(size):
        x = (np.arange(len(values)) + 0.5 - (at + 0.5) * scale) / max(scale, 1.0)
        weights = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
        made.append(np.tensordot(weights / weights.sum(), values, axes=1))
    return np.array(made)


def names(suite: str) -> tuple[str, ...]:
    assert suite == "libero_object"
    return NAMES


def test_another_size_is_made_as_in_the_evaluation_of_openvla() -> None:
    """JPEG of quality 95 with half the colour resolution and back, lanczos3 in floats, rounded, clipped."""
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    stored = io.BytesIO()
    Image.fromarray(image).save(stored, "JPEG", quality=95, subsampling=2)
    decoded = np.asarray(Image.open(stored), np.float64)
    expected = np.clip(np.round(lanczos(lanczos(decoded, 224).swapaxes(0, 1), 224).swapaxes(0, 1)), 0, 255)
    made = policy_image(image, 224, 224)
    assert (made.shape, made.dtype) == ((224, 224, 3), np.uint8)
    assert np.abs(made - expected).max() <= 1
    assert (made != expected).mean() < 1e-3, "only where a float lies between two integers"
    assert policy_image(image, 256, 256) is image


def test_suites_and_tasks_have_short_names_numbers_and_names() -> None:
    assert libero_tasks("object", names) == [f"libero_object/{number}" for number in range(10)]
    assert len(libero_tasks("libero_90", names)) == 90
    assert libero_tasks("long/9, spatial/0,libero_goal/3", names) == [
        "libero_10/9",
        "libero_spatial/0",
        "libero_goal/3",
    ]
    assert libero_tasks("object/pick_up_the_milk", names) == ["libero_object/1"]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("objects", r"LIBERO has no suite 'objects'\. Did you mean .*object"),
        ("xyz", r"There is libero_spatial, libero_object"),
        ("object/10", r"libero_object has no task 10: its 10 tasks are 0 to 9\."),
        ("object/pick_up_the_mlk", r"libero_object has no task 'pick_up_the_mlk'\. Did you mean pick_up_the_milk"),
    ],
)
def test_an_unknown_suite_or_task_of_libero_is_refused(given: str, sentence: str) -> None:
    with pytest.raises(EnvironmentRefusal, match=sentence):
        libero_tasks(given, names)
    with pytest.raises(EnvironmentRefusal, match="lists a task twice"):
        _ = EnvironmentChoice("libero:object/1,libero_object/1").tasks


def test_an_openvla_checkpoint_of_libero_is_served_and_others_hear_all_mismatches() -> None:
    quantiles = {"q01": [-0.7, -0.8, -0.9, -0.1, -0.2, -0.1, 0.0], "q99": [0.9, 0.8, 0.9, 0.1, 0.2, 0.1, 1.0]}
    action = {**quantiles, "mask": [True] * 6 + [False]}
    openvla = card_from_statistics({"libero_object_no_noops": {"action": action}}, "")
    refuse_card(openvla, libero_benchmark(openvla).card, "LIBERO")
    assert libero_benchmark(openvla).card.cameras[0].width == 224
    other = replace(openvla, control_rate=15.0, rotation="rpy", frame_id="world")
    other = replace(other, cameras=(CameraSpec("top", 64, 64, "stretch", 0.0),))
    with pytest.raises(ActionCardError) as refused:
        refuse_card(other, libero_card(), "LIBERO")
    for part in (
        "frame_id is 'world'",
        "control_rate is 15 Hz, expected a divisor of the environment's 20 Hz",
        "rotation is 'rpy', expected 'rotation_vector'",
        "it sees the camera 'top', but the environment has 'front', 'wrist'",
    ):
        assert part in str(refused.value)


def test_metres_and_radians_become_shares_of_a_full_action() -> None:
    native, follower = NativeActions(libero_card(), [-1.0] * 7, [1.0] * 7, 50_000_000), ExactFollower(50_000_000)
    step = EndEffectorStep(np.array([0.025, 0.0, -0.05]), np.array([0.0, 0.0, 0.25]), 1.0)
    follower.accept(ActionChunk((step,), 0.05, frame_id="base_link"), stamp=0.0, now=0.0)
    np.testing.assert_allclose(native.of_command(follower.tick(0.05)), [0.5, 0, -1, 0, 0, 0.5, 1.0], atol=1e-9)


@needs_libero
def test_the_expert_of_libero_succeeds_through_our_actions() -> None:
    choice = EnvironmentChoice(TASK)
    with closing(choice.open(None, Unseen)) as environment:
        row = check_plumbing(environment, choice.own_card(), TASK, range(1), lambda said: None)
    assert (row.expert, row.replayed, row.random) == (1, 1, 0)


@needs_libero
def test_the_images_of_libero_are_those_of_its_observations_turned() -> None:
    policy = ConstantPolicy(frame_id="base_link", period=0.5)
    policy.card = replace(libero_card(), control_rate=2.0, cameras=(CameraSpec("front", 64, 64, "stretch", 0.0),))
    environment = EnvironmentChoice(TASK).open(policy.card)
    assert isinstance(environment, LiberoEnvironment)
    with closing(DirectPlayer(policy, environment, ExactFollower(environment.tick_ns))) as player:
        record, trajectory = player.play(TASK, 0)
        assert record.instruction == "pick up the alphabet soup and place it in the basket"
        assert (record.outcome, record.seconds, record.steps) == ("timeout", 14.0, 28)
        image = trajectory.images[0][1]
        assert image.shape == (64, 64, 3)
        environment.lay(TASK, 0)
        np.testing.assert_array_equal(environment.see("front"), image)
        environment.lay(TASK, 1)
        assert (environment.see("front") != image).any()
        with pytest.raises(EnvironmentRefusal, match="initial states 0 to 49, there is no 50"):
            environment.lay(TASK, 50)
