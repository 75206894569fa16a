"""Our table and our suites in the real inspect-robots."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.scripted_policy import ConstantPolicy

pytest.importorskip("inspect_robots", reason="needs inspect-robots: pip install 'rt_vla_ros[inspect]'")

import inspect_robots as api
from inspect_robots import registry
from inspect_robots.conformance import assert_embodiment_conformant
from inspect_robots.errors import ConfigError, PolicyError

from rt_vla_ros.evaluation.inspect_plugin.embodiment import TabletopEmbodiment, open_embodiment
from rt_vla_ros.evaluation.inspect_plugin.policy import InspectPolicy
from rt_vla_ros.evaluation.inspect_plugin.tasks import suite_task
from rt_vla_ros.evaluation.players import DirectPlayer
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.sim.suites import EVALUATION_SUITES, WORD_SUITES

ROOT = Path(__file__).resolve().parents[3]
SEED = 3


@pytest.fixture(scope="module")
def table() -> Iterator[TabletopEmbodiment]:
    with closing(open_embodiment()) as opened:
        yield opened


def entry_points() -> str:
    """Those of pyproject.toml, as pip writes them."""
    text = (ROOT / "pyproject.toml").read_text()
    groups = re.findall(r'^\[project\.entry-points\."(.+)"\]\n((?:.+\n)+)', text, re.MULTILINE)
    assert len(groups) == 3
    return "\n".join(f"[{name}]\n{lines}".replace('"', "") for name, lines in groups)


def test_the_shipped_policy_does_there_what_it_does_here(table: TabletopEmbodiment, tmp_path: Path) -> None:
    policy = load_policy("rt1-mini", device="cpu")
    with closing(DirectPlayer(policy)) as player:
        ours, trajectory = player.play("pick-any", SEED)
    kept: list[np.ndarray] = []

    class Kept:
        """A sink that keeps the images that the policy acted on."""

        def __getattr__(self, name: str) -> object:
            return lambda *_, **__: None

        def log_step(self, t: int, observation: object, *_: object) -> None:
            kept.append(observation.images["front"])  # type: ignore[attr-defined]

    task = suite_task("pick-any", episodes=1, seed=SEED)
    (log,) = api.eval(
        task, InspectPolicy(policy, {}), table, sinks=[Kept()], log_dir=str(tmp_path), store_actions=False
    )
    assert (log.samples[0].scene_id, ours.outcome) == (f"pick-any-{SEED}", "success")
    assert log.results.metrics["success_at_end"] == 1.0
    assert len(kept) == len(trajectory.images) == ours.steps
    assert all((theirs == image).all() for theirs, (_, image) in zip(kept, trajectory.images, strict=True))


def test_its_declarations_are_what_inspect_robots_demands(table: TabletopEmbodiment) -> None:
    assert_embodiment_conformant(table.info)
    assert isinstance(table, api.Embodiment)
    assert table.info.is_simulated
    faster = open_embodiment(rate=10, cameras="front,wrist")
    with closing(faster):
        assert faster.info.action_space.high.tolist() == [0.02, 0.02, 0.02, 0.175, 0.175, 0.175, 1.0]
        seen = faster.reset(suite_task("unseen", 1).scenes[0], seed=0)
        assert {name: image.shape for name, image in seen.images.items()} == {
            "front": (96, 96, 3),
            "wrist": (96, 96, 3),
        }
        assert {key: value.shape for key, value in seen.state.items()} == {
            "joint_pos": (7,),
            "eef_pos": (3,),
            "gripper": (1,),
        }
    with pytest.raises(ConfigError, match="rate is 7, expected a divisor of 50 Hz"):
        open_embodiment(rate=7)
    with pytest.raises(ConfigError, match="There is no suite 'pick-anny'"):
        open_embodiment(suite="pick-anny")


def test_an_action_moves_the_tool_by_so_much(table: TabletopEmbodiment) -> None:
    before = table.reset(suite_task("pick-any", 1).scenes[0], seed=0)
    for _ in range(3):
        after = table.step(api.Action(np.array([0.0, 0.02, 0.0, 0.0, 0.0, 0.0, 0.0]))).observation
    moved = after.state["eef_pos"] - before.state["eef_pos"]
    assert moved == pytest.approx([0, 0.06, 0], abs=0.012), "smoothing and servos lag behind"
    assert before.state["gripper"][0] > 0.9
    assert after.state["gripper"][0] < 0.2, "0 is closed"
    assert (after.state_time, after.image_times["front"]) == (0.6, 0.6)


def test_an_episode_is_judged_at_its_last_step(table: TabletopEmbodiment) -> None:
    scene, still = suite_task("pick-any", 1).scenes[0], np.array([0, 0, 0, 0, 0, 0, 1.0])
    table.reset(scene, seed=0)
    stopped = table.step(api.Action(still, meta={"request_stop": True}))
    assert (stopped.terminated, stopped.termination_reason) == (True, "stopped_early")
    table.bind_task(api.TaskEnvelope("short", 2))
    table.reset(scene, seed=0)
    assert not table.step(api.Action(still)).truncated
    late = table.step(api.Action(still))
    assert (late.terminated, late.truncated, late.info["reason"]) == (False, True, "Nothing was lifted.")


def test_a_time_limit_is_a_truncation_whatever_the_outcome_but_success(
    table: TabletopEmbodiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, still = suite_task("pick-any", 1).scenes[0], np.array([0, 0, 0, 0, 0, 0, 1.0])
    table.bind_task(api.TaskEnvelope("short", 1))
    for outcome in ("drop", "wrong_object", "success"):
        table.reset(scene, seed=0)
        ending = SimpleNamespace(value=outcome, sentence="So.")
        monkeypatch.setattr(table._table, "outcome", lambda ending=ending, **_: ending)
        last = table.step(api.Action(still))
        assert (last.terminated, last.truncated) == (outcome == "success", outcome != "success")
        assert last.termination_reason == outcome
    table.bind_task(api.TaskEnvelope("long", 1000))


def test_a_scene_of_somebody_else_is_laid_for_its_instruction(table: TabletopEmbodiment) -> None:
    assert table.reset(api.Scene("adhoc", "pick up the red cube"), seed=5).instruction == "pick up the red cube"
    with pytest.raises(PolicyError, match="teapot"):
        table.reset(api.Scene("adhoc", "pick up the teapot"), seed=5)


def test_a_scene_that_cannot_be_laid_is_one_failed_sample(table: TabletopEmbodiment, tmp_path: Path) -> None:
    scenes = [api.Scene(one, f"pick up the {one}") for one in ("teapot", "red cube")]
    task = api.Task("foreign", scenes, "success_at_end", max_steps=1)
    (log,) = api.eval(task, InspectPolicy(ConstantPolicy(terminate=True), {}), table, log_dir=str(tmp_path))
    assert [one.status for one in log.samples] == ["error", "success"]
    assert "teapot" in str(log.samples[0].error)


def test_training_seeds_are_refused() -> None:
    with pytest.raises(ConfigError, match="training uses those above"):
        suite_task("pick-any", seed=2**40)
    with pytest.raises(ConfigError, match="episodes is 0"):
        suite_task("pick-any", episodes=0)


def test_its_registry_finds_all_of_it_after_pip_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "rt_vla_ros-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rt_vla_ros\nVersion: 0\n")
    (info / "entry_points.txt").write_text(entry_points())
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_loaded_entrypoints", False)
    names = {kind: set(api.registered(kind)) for kind in ("task", "policy", "embodiment")}
    assert "rt_vla_ros" in names["policy"] & names["embodiment"]
    suites = [*EVALUATION_SUITES, *WORD_SUITES]
    assert {f"tabletop-{suite}" for suite in suites} <= names["task"]
    for suite in suites:
        task = api.resolve("task", f"tabletop-{suite}", episodes=1)
        assert (task.name, task.scenes[0].id) == (f"tabletop-{suite}", f"{suite}-0")
