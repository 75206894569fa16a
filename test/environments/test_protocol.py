"""The choices of a benchmark's protocol are identified by keys, whatever their sentences say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rt_vla_ros.environments import inspect_robots, language_table, libero, metaworld, opening
from rt_vla_ros.environments.protocol import EARLIER, choices_of, environment_identity
from rt_vla_ros.evaluation.comparison.evaluations import Evaluation
from rt_vla_ros.evaluation.record import EpisodeRecord, Journal, JournalError
from rt_vla_ros.evaluation.report import environment_rows

VERSIONS = {"metaworld": "3.1.1", "mujoco": "3.3.0"}
# As in evaluations of version 0.2.0.
OF_0_2_0 = [
    "500 steps of 12.5 ms; an episode ends at the first success, as in metaworld.evaluation",
    "seeds 0 to 49 are the 50 starts that MT1 draws from its seed 0, 50 to 99 those from its seed 1, and so on",
    "the camera corner2, which hangs upside down, turned by 180 degrees, drawn in the policy's size",
    "an action of the policy in equal parts over the steps of its period, without smoothing and limits",
    "the sentences are of rt_vla_ros: Meta-World has none",
]
RECORD = EpisodeRecord(0, "reach the goal", "reach-v3", "success", "", 1, 1.0, False, (1.0,), "")


def subject(protocol: object, versions: object = VERSIONS) -> dict[str, Any]:
    return {
        "suite": "metaworld:reach-v3",
        "environment": {"name": "Meta-World", "versions": versions} | {"protocol": protocol},
    }


def begun(path: Path, given: dict[str, Any]) -> Path:
    Journal(path, given).add(RECORD)
    return path


@pytest.mark.parametrize(
    "protocol",
    [
        metaworld.PROTOCOL,
        opening.PROTOCOL_OF_GYMNASIUM,
        libero.PROTOCOL,
        inspect_robots.PROTOCOL,
        language_table.PROTOCOL,
    ],
    ids=["metaworld", "gymnasium", "libero", "inspect", "language-table"],
)
def test_every_choice_of_today_has_a_sentence_of_before_the_keys(protocol: dict[str, str]) -> None:
    """So that these evaluations can be resumed. A choice that is changed is excepted here; EARLIER remains as it is."""
    assert set(protocol) <= set(EARLIER.values())
    assert all(sentence.strip() for sentence in protocol.values())


def test_an_evaluation_of_before_the_keys_is_resumed(tmp_path: Path) -> None:
    path = begun(tmp_path / "episodes.jsonl", subject(OF_0_2_0))
    assert Journal(path, subject(metaworld.PROTOCOL)).records == {0: RECORD}
    assert choices_of(subject(OF_0_2_0)["environment"]).keys() == metaworld.PROTOCOL.keys()


def test_other_words_for_the_same_choices_change_nothing(tmp_path: Path) -> None:
    path = begun(tmp_path / "episodes.jsonl", subject(metaworld.PROTOCOL))
    reworded = {key: f"in other words: {sentence}" for key, sentence in reversed(metaworld.PROTOCOL.items())}
    assert Journal(path, subject(reworded)).records == {0: RECORD}


@pytest.mark.parametrize("before", [OF_0_2_0, metaworld.PROTOCOL], ids=["0.2.0", "keys"])
def test_another_choice_with_the_same_words_is_another_evaluation(tmp_path: Path, before: object) -> None:
    path = begun(tmp_path / "episodes.jsonl", subject(before))
    other = {key.replace("500", "200"): sentence for key, sentence in metaworld.PROTOCOL.items()}
    with pytest.raises(JournalError) as refused:
        Journal(path, subject(other))
    assert (
        "contains a different evaluation (protocol steps-200-first-success None, not 'yes', "
        "protocol steps-500-first-success 'yes', not None). Choose another directory"
    ) in str(refused.value)
    with pytest.raises(JournalError, match=r"\(mujoco '3.3.0', not '3.3.1'\)"):
        Journal(path, subject(metaworld.PROTOCOL, {**VERSIONS, "mujoco": "3.3.1"}))
    with pytest.raises(JournalError, match="environment None, not 'Meta-World'"):
        Journal(begun(tmp_path / "tabletop.jsonl", {"suite": "pick-any"}), subject(metaworld.PROTOCOL))


def test_a_changed_instruction_is_a_changed_choice() -> None:
    (key,) = (key for key in metaworld.PROTOCOL if key.startswith("instructions-"))
    assert metaworld.instructions_key(metaworld.SENTENCES) == key
    assert metaworld.instructions_key(metaworld.SENTENCES | {"reach-v3": "reach for the goal"}) != key


def test_a_comparison_names_the_choices_that_differ() -> None:
    def conditions(protocol: object) -> dict[str, object]:
        run = subject(protocol) | {"policy": "p", "log": [{}]}
        return Evaluation(Path(), {"metaworld:reach-v3": run}).conditions()

    same = dict.fromkeys(metaworld.PROTOCOL, "reworded")
    assert conditions(OF_0_2_0) == conditions(metaworld.PROTOCOL) == conditions(same)
    other = conditions({"steps-200-first-success": ""})
    assert other["protocol steps-200-first-success"] == "yes"
    assert other["mujoco"] == "3.3.0"
    assert "protocol mt1-starts" not in other


def test_a_report_has_the_sentences_of_both_forms() -> None:
    for protocol in (OF_0_2_0, metaworld.PROTOCOL):
        (first, *choices) = environment_rows(subject(protocol)["environment"])
        assert first == ("environment", "Meta-World (metaworld 3.1.1, mujoco 3.3.0)")
        words = protocol.values() if isinstance(protocol, dict) else protocol
        assert choices == [("protocol of the benchmark", sentence) for sentence in words]


def test_an_unknown_sentence_of_before_is_its_own_choice() -> None:
    assert choices_of({"protocol": ["Something else."]}) == {"Something else.": "Something else."}
    assert choices_of({}) == {}


@pytest.mark.parametrize("damaged", ["all of it", 5, [1], {"a": 2}, None])
def test_a_damaged_protocol_is_named(damaged: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the protocol of the environment is "):
        environment_identity({"name": "x", "versions": {}, "protocol": damaged})
    with pytest.raises(JournalError, match=r"is not a journal of an evaluation \(the protocol"):
        Journal(begun(tmp_path / "episodes.jsonl", subject(damaged)), subject(metaworld.PROTOCOL))
    with pytest.raises(ValueError, match="expected its name, versions and protocol"):
        environment_identity("Meta-World")
    with pytest.raises(ValueError, match="expected its name, versions and protocol"):
        environment_identity({"versions": ["3.1.1"]})
