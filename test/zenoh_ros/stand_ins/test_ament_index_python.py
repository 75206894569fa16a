"""Where packages are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from rt_vla_ros import ros

ros.ensure()

from ament_index_python.packages import (  # noqa: E402
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_directory,
    get_package_share_path,
    get_packages_with_prefixes,
)

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def prefixes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Two prefixes with a package `both` in each and `second` in the second; one more does not exist."""
    found = [tmp_path / "first", tmp_path / "second"]
    for prefix, names in zip(found, (["both"], ["both", "second"]), strict=True):
        (prefix / "share/ament_index/resource_index/packages").mkdir(parents=True)
        for name in names:
            (prefix / "share/ament_index/resource_index/packages" / name).touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{found[0]}:{found[1]}:{tmp_path / 'gone'}")
    return found


def test_the_first_prefix_wins(prefixes: list[Path]) -> None:
    assert get_package_prefix("both") == str(prefixes[0])
    assert get_package_share_directory("second") == str(prefixes[1] / "share" / "second")
    assert get_package_share_path("second") == prefixes[1] / "share" / "second"
    known = get_packages_with_prefixes()
    assert known["both"] == str(prefixes[0])
    assert known["second"] == str(prefixes[1])
    assert "rt_vla_ros" in known


def test_a_checkout_is_its_own_share_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    share = Path(get_package_share_directory("rt_vla_ros"))
    assert share == REPOSITORY
    assert (share / "launch" / "policy.launch.py").is_file()


def test_a_missing_package_says_where_was_looked(prefixes: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PackageNotFoundError, match=f"'nowhere' not found; searched: {prefixes[0]}, {prefixes[1]}"):
        get_package_prefix("nowhere")
    monkeypatch.delenv("AMENT_PREFIX_PATH")
    with pytest.raises(PackageNotFoundError, match="names no directory"):
        get_package_share_directory("nowhere")


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a valid package name"):
        get_package_prefix(name)
