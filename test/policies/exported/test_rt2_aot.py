"""An RT-2 compiled to machine code acts, plans for several robots and answers as the original does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.vlms import random_image

from rt_vla_ros.cli.doctor.checkpoints import look_at_checkpoint
from rt_vla_ros.cli.main import main
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.resolve import resolve
from rt_vla_ros.policies.exported.graph_source import ExportError
from rt_vla_ros.policies.exported.rt2_model import ExportedDecoder
from rt_vla_ros.policies.exported.to_aot import check_compiler
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.rt2.policy import RT2Policy
from rt_vla_ros.policies.rt2.shared import SharedRT2

pytestmark = pytest.mark.slow
INSTRUCTIONS = ("pick up the red cube", "pick the yellow cylinder up")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The original and its export."""
    try:
        check_compiler()
    except ExportError as error:
        pytest.skip(str(error))
    place = tmp_path_factory.mktemp("compiled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(place / "data"))
        assert main(["export", "rt2-mini", "--to", "aot", "--out", str(place / "rt2-mini.aot")]) == 0
        yield "rt2-mini", place / "rt2-mini.aot"


@pytest.fixture
def both(folders: tuple[str, Path]) -> list[RT2Policy]:
    policies = [load_policy(str(folder), device="cpu") for folder in folders]
    return [policy for policy in policies if isinstance(policy, RT2Policy)]


def seen(number: int) -> Observation:
    return Observation({"front": random_image(number)}, number / 3)


def test_it_chooses_the_tokens_of_the_original_and_answers_like_it(both: list[RT2Policy]) -> None:
    original, compiled = both
    assert any(isinstance(module, ExportedDecoder) for module in compiled.parts.model.modules())
    chosen = set()
    for instruction in INSTRUCTIONS:
        for policy in both:
            policy.reset(instruction)
        for number in range(3):
            expected, found = original.decode(seen(number)), compiled.decode(seen(number))
            assert (found.tokens, found.passes) == (expected.tokens, expected.passes)
            assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-4)
            chosen.add(found.tokens)
    assert len(chosen) > 1
    answers = [policy.ask(seen(0).images, "what is on the table?") for policy in both]
    assert answers[0] == answers[1]


def test_robots_share_a_pass(both: list[RT2Policy]) -> None:
    original, compiled = both
    shared = SharedRT2(compiled)
    robots = [shared.session() for _ in INSTRUCTIONS]
    for robot, instruction in zip(robots, INSTRUCTIONS, strict=True):
        robot.reset(instruction)
    chunks = shared.act([(robot, seen(number)) for number, robot in enumerate(robots)])
    for number, (chunk, instruction) in enumerate(zip(chunks, INSTRUCTIONS, strict=True)):
        original.reset(instruction)
        assert not isinstance(chunk, Exception)
        assert chunk.tokens == original.act(seen(number)).tokens


def test_it_runs_only_where_it_was_compiled(
    folders: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = str(folders[1])
    assert resolve(compiled).answers
    findings = look_at_checkpoint(compiled, {}).findings
    assert any("an RT-2 model compiled for one machine" in one.sentence for one in findings)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"\.so is machine code that was not compiled by this user"):
        load_policy(compiled)
    load_policy(compiled, trust_remote_code=True)
