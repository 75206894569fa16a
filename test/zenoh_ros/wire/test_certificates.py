"""What is wrong with a host's own files is said before anything is opened."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from zenoh_ros.security.key_folder import HostName, KeyFolder
from zenoh_ros.wire.certificates import TlsFiles
from zenoh_ros.wire.errors import WireError

NOW = datetime.now(timezone.utc)
ROBOT = HostName("robot")


@pytest.fixture
def robot(tmp_path: Path) -> Path:
    folder = KeyFolder.create(tmp_path / "keys", NOW)
    return folder.add(ROBOT, router=None, days=365, at=None, now=NOW)


def files_in(folder: Path, **changes: object) -> TlsFiles:
    certificate, key = str(folder / "cert.pem"), str(folder / "key.pem")
    said: dict[str, object] = {"enable_mtls": True, "root_ca_certificate": str(folder / "ca.pem")}
    said |= {"listen_certificate": certificate, "connect_certificate": certificate}
    return TlsFiles(said | {"listen_private_key": key, "connect_private_key": key} | changes)


def test_a_certificate_that_holds_is_named(robot: Path) -> None:
    own = files_in(robot).own_certificate()
    assert own is not None
    assert (own.name, own.ends_soon()) == ("robot", "")
    assert own.until == pytest.approx((NOW + timedelta(days=365)).timestamp(), abs=1)


def test_one_that_ends_soon_is_said(robot: Path) -> None:
    KeyFolder(robot.parent).renew(ROBOT, days=12, now=NOW)
    own = files_in(robot).own_certificate()
    assert own is not None
    assert "the certificate robot of this host expires on " in own.ends_soon()
    assert "in 11 days: renew it with `rt-vla keys renew`" in own.ends_soon()


@pytest.mark.parametrize(
    "changes", [{"enable_mtls": None}, {"listen_certificate": None}, {"connect_private_key": None}]
)
def test_settings_for_less_than_both_sides_are_not_judged(robot: Path, changes: dict[str, object]) -> None:
    assert files_in(robot, **changes).own_certificate() is None


def expired(robot: Path) -> None:
    KeyFolder(robot.parent).renew(ROBOT, days=1, now=NOW - timedelta(days=2))


def too_early(robot: Path) -> None:
    KeyFolder(robot.parent).renew(ROBOT, days=1, now=NOW + timedelta(days=2))


def of_another(robot: Path) -> None:
    other = KeyFolder.create(robot.parent.parent / "other", NOW)
    shutil.copy(other.path / "authority" / "ca.pem", robot / "ca.pem")


def of_another_key(robot: Path) -> None:
    other = KeyFolder(robot.parent).add(HostName("other"), router="robot", days=1, at=None, now=NOW)
    shutil.copy(other / "key.pem", robot / "key.pem")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (expired, "it, or its authority's, has expired by this host's clock: renew it with `rt-vla keys renew`"),
        (too_early, "is not valid yet by this host's clock: correct the clock"),
        (of_another, "was not issued by the authority in root_ca_certificate"),
        (of_another_key, "key and certificate do not match"),
        (lambda robot: (robot / "cert.pem").write_text("nonsense"), "one is not a PEM file"),
        (lambda robot: (robot / "key.pem").unlink(), r"key\.pem cannot be read \(No such file"),
        (lambda robot: (robot / "ca.pem").unlink(), r"ca\.pem cannot be read \(No such file"),
    ],
)
def test_what_is_wrong_is_said(robot: Path, spoil: Callable[[Path], object], sentence: str) -> None:
    spoil(robot)
    with pytest.raises(WireError, match=sentence):
        files_in(robot).own_certificate()
