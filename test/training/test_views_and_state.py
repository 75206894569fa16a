"""Training of a network with several cameras, the robot's state and a horizon."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.datasets import SIZE, make_episode, write_dataset

from rt_vla_ros.action_space.plausibility import ImplausibleActionsError
from rt_vla_ros.action_space.tokenizer import ActionTokenizer
from rt_vla_ros.data.episode import Episode
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.language.hashed_words import HashedWords
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.observations.scaled_state import scaled_state
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt1.loss import IGNORED
from rt_vla_ros.policies.rt1.policy import RT1Policy
from rt_vla_ros.policies.tabletop_card import TABLETOP_STATE, tabletop_card
from rt_vla_ros.sim.tabletop_sim import TabletopSim
from rt_vla_ros.training.batch import Batch, jitter_colours, shift_images
from rt_vla_ros.training.collect import load_episode, save_episode
from rt_vla_ros.training.dagger_source import ReplayBuffer
from rt_vla_ros.training.dataset_source import DatasetSource
from rt_vla_ros.training.learner import Learner
from rt_vla_ros.training.run import TrainingRun
from rt_vla_ros.training.settings import TrainingSettings, collected_card, network_config
from rt_vla_ros.training.windows import WindowDataset, WindowIndices, cached_frames

CARD = tabletop_card("small", image_size=SIZE, cameras=("front", "wrist"), state=TABLETOP_STATE)
WORDS = HashedWords(4096)
STILL = np.zeros((2, 2, 2), np.int64)
SMALL = {"image_size": SIZE, "resnet_widths": [4, 8], "num_layers": 1, "d_model": 32, "token_embedding_size": 16}
SETTINGS = TrainingSettings(steps=2, batch_size=4, validation=0.25, network={**SMALL, "horizon": 3})


def episodes(count: int = 4) -> list[Episode]:
    return [make_episode(seed, 6 + seed, CARD) for seed in range(count)]


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> list[LeRobotDataset]:
    return [LeRobotDataset(write_dataset(tmp_path_factory.mktemp("data") / "set", episodes(), CARD))]


def images_of(episode: Episode) -> np.ndarray:
    return np.stack([episode.images["front"], episode.images["wrist"]], axis=1)


def states_of(episode: Episode) -> np.ndarray:
    assert episode.states is not None
    return scaled_state(episode.states.astype(np.float32).astype(np.float64), CARD)


def test_windows_have_all_cameras_the_scaled_state_and_chunks(datasets: list[LeRobotDataset]) -> None:
    windows = WindowDataset(datasets, 3, WORDS, horizon=3)
    batch = windows.batch(WindowIndices([(windows.episodes[2], 4), (windows.episodes[1], -2)], STILL))
    one, other = episodes()[2], episodes()[1]
    assert batch.state is not None
    np.testing.assert_array_equal(batch.images[0], images_of(one)[4:7])
    np.testing.assert_array_equal(batch.state[0], states_of(one)[4:7])
    assert batch.state.dtype == np.float32
    assert np.abs(states_of(one)).max() <= 1
    tokens = ActionTokenizer(CARD).encode(one.values.astype(np.float32))
    np.testing.assert_array_equal(batch.tokens[0, 0], tokens[4:7].ravel())
    np.testing.assert_array_equal(batch.tokens[0, 2, 6:12], tokens[7])
    assert (batch.tokens[0, 2, 12:] == IGNORED).all()
    assert not batch.images[1, :2].any()
    assert not batch.state[1, :2].any()
    np.testing.assert_array_equal(batch.images[1, 2], images_of(other)[0])
    np.testing.assert_array_equal(batch.state[1, 2], states_of(other)[0])


def test_cached_frames_give_the_same_batches(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    windows = WindowDataset(datasets, 3, WORDS)
    indices = windows.draw(windows.episodes, np.random.default_rng(0), 5, shift=(0.1, 0.1))
    assert indices.shifts.shape == (5, 2, 2)
    assert (indices.shifts[:, 0] != indices.shifts[:, 1]).any()
    on_demand = windows.batch(indices)
    windows.use_cache(cached_frames(tmp_path, datasets, lambda _: None))
    np.testing.assert_array_equal(windows.batch(indices).images, on_demand.images)


def test_the_replay_buffer_keeps_images_and_state_together(tmp_path: Path) -> None:
    memory = ReplayBuffer(40, 3, CARD, WORDS)
    for number, episode in enumerate(episodes()):
        save_episode(tmp_path / f"{number}.npz", episode)
        memory.add(load_episode(tmp_path / f"{number}.npz", CARD))
    batch = memory.sample(np.random.default_rng(0), 30)
    assert batch.state is not None
    known = {
        frame.tobytes(): scaled_state(episode.states, CARD)[i].tobytes()  # type: ignore[arg-type]
        for episode in episodes()
        for i, frame in enumerate(images_of(episode))
    }
    for window, states in zip(batch.images, batch.state, strict=True):
        assert [known[frame.tobytes()] for frame in window] == [state.tobytes() for state in states]


def test_each_camera_is_shifted_and_coloured_by_itself() -> None:
    images = np.full((2, 2, 2, 8, 8, 3), 100, np.uint8)
    images[:, :, :, 4, 4] = 200
    scene = np.full((2, 2, 10), 0.5, np.float32)
    shift_images(images, scene, np.array([[[1, 0], [0, 2]], [[0, 0], [-3, 0]]]))
    places = [[tuple(np.argwhere(view[..., 0] == 200)[0]) for view in window[0]] for window in images]
    assert places == [[(4, 5), (6, 4)], [(4, 4), (4, 1)]]
    np.testing.assert_allclose(scene[0, 0, 6:], [0.625, 0.5, 0.625, 0.5], err_msg="the first camera's alone")
    np.testing.assert_array_equal(scene[1], 0.5)
    plain = torch.full((3, 2, 2, 4, 4, 3), 128, dtype=torch.uint8)
    changed = jitter_colours(plain, 0.3, torch.Generator().manual_seed(0))
    assert (changed == changed[:, :1]).all(), "one change for a window of a camera"
    assert len({tuple(colour.tolist()) for colour in changed[:, 0, :, 0, 0].flatten(0, 1)}) == 6
    part = jitter_colours(plain[1:], 0.3, torch.Generator().manual_seed(0), batch=3, first=1)
    assert (part == changed[1:]).all(), "in another process"


def learner(batch: Batch) -> Learner:
    settings = replace(SETTINGS, precision="float32", jitter=0.0)
    made = Learner(settings, network_config(settings, CARD.with_horizon(3)))
    made.step([batch])
    return made


def test_the_learner_computes_what_the_network_does_and_helps_by_the_first_camera(
    datasets: list[LeRobotDataset],
) -> None:
    windows = WindowDataset(datasets, 3, WORDS, horizon=3)
    batch = windows.batch(windows.draw(windows.episodes, np.random.default_rng(0), 4))
    made = learner(batch)
    model = made.ema_model()
    images, words, tokens = (torch.from_numpy(part) for part in (batch.images, batch.instruction, batch.tokens))
    with torch.inference_mode():
        wanted = model(images, words, labels=tokens, state=torch.from_numpy(batch.state))
        loss, chosen = made.evaluate(model, batch)
        assert loss == pytest.approx(float(wanted.loss), abs=1e-5)
        assert (chosen == wanted.logits.masked_fill(~model.legal, -1e4).argmax(-1)).all()
        _, features, image_tokens = made._logits(model, images, batch)
        sentence = model.sentence(words).repeat_interleave(3, dim=0)
        front = model.image_features(images[:, :, 0].flatten(0, 1), sentence)
        torch.testing.assert_close(features, front, rtol=0, atol=1e-5)
        torch.testing.assert_close(image_tokens, model.token_learner(front), rtol=0, atol=1e-5)


def test_a_dataset_with_state_becomes_a_policy_that_acts_on_it(datasets: list[LeRobotDataset], tmp_path: Path) -> None:
    source = DatasetSource(datasets, SETTINGS)
    run = TrainingRun(tmp_path, source, SETTINGS, lambda _: None)
    run.train(2, lambda _: None)
    assert "validation" in run.log.rows[-1]
    policy = load_policy(str(tmp_path / "checkpoint"), device="cpu")
    assert isinstance(policy, RT1Policy)
    assert policy.card == replace(CARD.with_horizon(3), name=policy.card.name)
    text = (tmp_path / "checkpoint/README.md").read_text()
    assert "Its inputs are the cameras `front` and `wrist` (32x32 pixels), 8 dimensions of robot state and" in text
    assert "input 6 camera images and an instruction, output 18 action tokens" in text
    span = source.windows.episodes[1]
    batch = source.windows.batch(WindowIndices([(span, 1)], np.zeros((1, 2, 2), np.int64)))
    episode = datasets[0][1]
    assert episode.states is not None
    policy.reset(episode.instruction)
    for step in range(1, 4):
        images = {name: pixels[step] for name, pixels in episode.images.items()}
        p = policy.probabilities(Observation(images, float(step), episode.states[step]))
    run.learner.settings = replace(SETTINGS, precision="float32")
    chosen = run.learner.evaluate(run.learner.ema_model(), batch)[1][0, -1]
    np.testing.assert_array_equal(p.argmax(-1), chosen.numpy())


def test_states_in_another_unit_are_not_trained_on(tmp_path: Path) -> None:
    degrees = [replace(one, states=np.degrees(one.states)) for one in episodes(2)]
    write_dataset(tmp_path / "set", degrees, CARD)
    with pytest.raises(ImplausibleActionsError, match=r"'panda_joint1' .*: they look like degrees"):
        WindowDataset([LeRobotDataset(tmp_path / "set")], 3, WORDS)


def test_the_network_fits_the_card() -> None:
    config = network_config(TrainingSettings(network=SMALL), CARD.with_horizon(2))
    assert (config.num_cameras, config.state_size, config.horizon) == (2, 8, 2)
    for key, sentence in (
        ("num_cameras", "number of cameras 2, the network's num_cameras is 1"),
        ("state_size", "numbers of the state 8, the network's state_size is 1"),
        ("horizon", "horizon 2, the network's horizon is 1"),
    ):
        with pytest.raises(ValueError, match=sentence):
            network_config(TrainingSettings(network={**SMALL, key: 1}), CARD.with_horizon(2))


def test_the_card_says_of_cameras_and_joints_what_the_simulator_has(sim: TabletopSim) -> None:
    for camera in CARD.cameras:
        assert np.radians(sim.model.cam_fovy[sim.camera_id(camera.name)]) == pytest.approx(camera.vertical_fov)
    joints = dict(zip(sim.arm.joint_names, sim.arm.joints, strict=True))
    for one in TABLETOP_STATE[:-1]:
        np.testing.assert_allclose((one.low, one.high), sim.model.joint(joints[one.name]).range)


def test_the_simulated_arm_has_what_a_recipe_asks_for() -> None:
    asked = {"num_cameras": 2, "state_size": 8, "horizon": 4}
    card = collected_card(TrainingSettings(network=asked))
    assert [camera.name for camera in card.cameras] == ["front", "wrist"]
    assert (card.state, card.horizon) == (TABLETOP_STATE, 4)
    with pytest.raises(ValueError, match=r"network\.num_cameras is 3; the simulated arm has front, wrist"):
        collected_card(TrainingSettings(network={"num_cameras": 3}))
    with pytest.raises(
        ValueError, match=r"network\.state_size is 7, expected 0 or 8: the simulated arm's state is pan"
    ):
        collected_card(TrainingSettings(network={"state_size": 7}))
    with pytest.raises(ValueError, match="Policies cannot use the simulator's camera 'overview', only front, wrist"):
        tabletop_card("x", cameras=("front", "overview"))
