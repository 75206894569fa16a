"""The shipped checkpoint with several steps does its task with late decisions, too."""

from __future__ import annotations

from contextlib import closing

from rt_vla_ros.evaluation.baselines import BLACK_IMAGES, AblatedPolicy
from rt_vla_ros.evaluation.players import DirectPlayer
from rt_vla_ros.policies.checkpoint.resolve import CHECKPOINTS
from rt_vla_ros.policies.load import load_policy

SEEDS = range(710_000, 710_005)


def test_it_usually_succeeds_when_decisions_come_two_steps_late() -> None:
    policy = load_policy("rt1-mini-h4", device="cpu")
    assert policy.card.horizon == 4
    with closing(DirectPlayer(policy)) as player:
        player.delay = 0.4
        played = [player.play("pick-any", seed) for seed in SEEDS]
    assert {len(chunk.steps) for _, trajectory in played for _, chunk, _ in trajectory.actions} == {4}
    assert sum(record.success for record, _ in played) >= 4
    with closing(DirectPlayer(AblatedPolicy(policy, BLACK_IMAGES))) as blind:
        assert not blind.play("pick-any", SEEDS[0])[0].success


def test_checkpoint_is_small_and_described() -> None:
    directory = CHECKPOINTS / "rt1-mini-h4"
    assert sum(path.stat().st_size for path in directory.iterdir()) < 8e6
    text = (directory / "README.md").read_text()
    assert "rt-vla evaluate --policy rt1-mini-h4" in text
    assert "--delay 0,0.1,0.2,0.4" in text
    assert (directory / "DATA_CARD.md").is_file()
