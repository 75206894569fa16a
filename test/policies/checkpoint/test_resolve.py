"""Names of policies, and what they mean for a process elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from rt_vla_ros.policies.checkpoint.resolve import (
    UnknownPolicyError,
    check_name,
    find_checkpoint,
    is_on_hub,
    statistics_key,
    whole_path,
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("mine", "owner/mine", "odd#name"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "directory", "key", "elsewhere"),
    [
        ("mine", "mine", "", "mine"),
        ("mine#bridge_orig", "mine", "bridge_orig", "mine#bridge_orig"),
        ("owner/mine#a", "owner/mine", "a", "owner/mine#a"),
        ("odd#name", "odd#name", "", "odd#name"),
        ("odd#name#key", "odd#name", "key", "odd#name#key"),
    ],
)
def test_a_directory_and_a_key(name: str, directory: str, key: str, elsewhere: str, here: Path) -> None:
    found = find_checkpoint(name)
    assert found is not None
    assert found.resolve() == here / directory
    assert statistics_key(name) == key
    assert whole_path(name, found) == str(here / elsewhere)
    assert not is_on_hub(name)


def test_names_that_mean_no_directory(here: Path) -> None:
    assert is_on_hub("openvla/openvla-7b")
    assert is_on_hub("openvla/openvla-7b#bridge_orig")
    assert statistics_key("openvla/openvla-7b#bridge_orig") == "bridge_orig"
    assert whole_path("openvla/openvla-7b#bridge_orig", here / "cache") == "openvla/openvla-7b#bridge_orig"
    assert not is_on_hub("no/such/directory")
    assert not is_on_hub("rt2-untrained")
    assert (statistics_key("rt2-untrained"), whole_path("rt2-untrained", None)) == ("", "rt2-untrained")


def test_a_name_is_checked_without_asking_the_hub(here: Path) -> None:
    for name in ("mine", "mine#key", "rt1-mini", "rt2-untrained", "openvla/openvla-7b#bridge_orig"):
        check_name(name)
    for name in ("rt1-mni", "", "/no/such/folder"):
        with pytest.raises(UnknownPolicyError, match="There are: rt1-mini, "):
            check_name(name)
