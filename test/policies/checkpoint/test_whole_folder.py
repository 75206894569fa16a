from __future__ import annotations

from pathlib import Path

import pytest

from rt_vla_ros.policies.checkpoint.whole_folder import replace_folder, tidy_folder


class KilledError(BaseException):
    """Of a test."""


def write(new: Path) -> None:
    (new / "weights").write_text("second")


def folders(parent: Path) -> list[str]:
    return sorted(path.name for path in parent.iterdir())


def test_leftovers_of_a_killed_process_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tmp_path / "check[point]"
    policy.mkdir()
    (policy / "weights").write_text("first")

    def die(new: Path) -> None:
        write(new)
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr("rt_vla_ros.policies.checkpoint.whole_folder.shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(KilledError):
            replace_folder(policy, die)
    assert len(folders(tmp_path)) == 2
    for other in (".check[point].own", ".checkpoint.own"):
        (tmp_path / other).write_text("somebody's")
    tidy_folder(policy)
    assert folders(tmp_path) == [".check[point].own", ".checkpoint.own", "check[point]"]
    assert (policy / "weights").read_text() == "first"


def test_the_old_directory_is_restored_after_a_kill_between_the_moves(tmp_path: Path) -> None:
    policy, staging = tmp_path / "checkpoint", tmp_path / ".checkpoint.abc"
    for name in ("old", "new"):
        (staging / name).mkdir(parents=True)
        (staging / name / "weights").write_text(name)
    tidy_folder(policy)
    assert folders(tmp_path) == ["checkpoint"]
    assert (policy / "weights").read_text() == "old"
