"""Which environments are kept, and which one makes room."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from rt_vla_ros import host_memory
from rt_vla_ros.environments.worker.kept_environments import SPARE, KeptEnvironments
from rt_vla_ros.host_memory import free_memory


@pytest.fixture
def free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Says how much memory is free."""
    path = tmp_path / "meminfo"
    path.write_text(f"MemTotal: 1 kB\nMemAvailable: {SPARE // 1000} kB\n")
    monkeypatch.setattr(host_memory, "MEMORY_FILE", path)
    return path


def built(tasks: str, most: int = 3) -> tuple[str, str]:
    """Which ones were built, and closed, when these tasks were used."""
    made, closed = list[str](), list[str]()

    def make(task: str) -> str:
        made.append(task)
        return task

    kept = KeptEnvironments(closed.append, most)
    for task in tasks:
        assert kept.get(task, partial(make, task)) == task
    return "".join(made), "".join(closed)


@pytest.mark.parametrize(
    ("tasks", "made", "closed"),
    [
        ("aaabbbaaa", "ab", ""),
        ("abcabcabc", "abc", ""),
        ("aabbccddee", "abcde", "cd"),  # one after another: only finished ones are lost
        ("abcdabcd", "abcdc", "cb"),  # in turn: most are found
        ("abcabd", "abcd", "b"),  # the one used last makes room, not the one built last
    ],
)
def test_tasks_find_theirs_as_far_as_they_are_kept(free: Path, tasks: str, made: str, closed: str) -> None:
    assert built(tasks) == (made, closed)


def test_one_is_kept_where_there_is_no_memory_for_more(free: Path) -> None:
    free.write_text(f"MemAvailable: {SPARE // 1024 - 1} kB\n")
    assert built("aabbab") == ("abab", "aba")
    free.write_text("nothing of use")
    assert (free_memory(), built("abab")) == (None, ("abab", "aba"))
    free.unlink()
    assert (free_memory(), built("abab", most=1)) == (None, ("abab", "aba"))


def test_one_that_cannot_be_built_leaves_the_others(free: Path) -> None:
    def fail() -> str:
        raise ValueError("no such task")

    closed = list[str]()
    kept = KeptEnvironments(closed.append, 2)
    kept.get("a", lambda: "a")
    kept.get("b", lambda: "b")
    for _ in range(3):
        with pytest.raises(ValueError, match="no such task"):
            kept.get("c", fail)
    assert kept.get("a", fail) == "a"
    assert closed == ["b"]
