"""Folders of keys: what is in them, for whose eyes, and that nothing in them is lost."""

from __future__ import annotations

import json
import stat
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from zenoh_ros.security.authority import read_certificate
from zenoh_ros.security.folder_errors import KeyFolderError
from zenoh_ros.security.key_folder import HostName, KeyFolder
from zenoh_ros.wire.access import AccessRules

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=timezone.utc)
ROBOT, GPU = HostName("robot", ("192.168.1.10", "robot.local")), HostName("gpu")


def make(path: Path) -> KeyFolder:
    folder = KeyFolder.create(path, NOW)
    folder.add(ROBOT, router=None, days=365, at=None, now=NOW)
    folder.add(GPU, router=ROBOT.reached_by, days=365, at=Path("/etc/keys"), now=NOW)
    return folder


def test_a_host_has_its_files_and_nobody_else_may_look(tmp_path: Path) -> None:
    folder = make(tmp_path / "keys")
    names = {path.relative_to(folder.path).as_posix() for path in folder.path.rglob("*") if path.is_file()}
    assert names == {
        *("authority/ca.pem", "authority/ca_key.pem"),
        *(f"robot/{name}" for name in ("ca.pem", "cert.pem", "key.pem", "session.json5", "router.json5")),
        *(f"gpu/{name}" for name in ("ca.pem", "cert.pem", "key.pem", "session.json5")),
    }
    modes = {
        path.relative_to(folder.path).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in folder.path.rglob("*")
    }
    assert all(modes[name] == 0o600 for name in ("authority/ca_key.pem", "robot/key.pem", "gpu/key.pem"))
    assert all(modes[name] == 0o700 for name in ("authority", "robot", "gpu"))
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_certificate_is_for_what_the_host_is_reached_by(tmp_path: Path) -> None:
    folder = make(tmp_path / "keys")
    gpu, robot = folder.hosts()
    assert (gpu.name, robot.name) == ("gpu", "robot")
    assert robot.addresses == ("192.168.1.10", "robot.local", "robot", "localhost", "127.0.0.1", "::1")
    assert robot.until == NOW + timedelta(days=365)
    assert folder.authority.until == NOW + timedelta(days=3650)
    assert (folder.router_host(), folder.router_address()) == ("robot", "192.168.1.10")


def test_settings_name_the_files_where_they_will_lie(tmp_path: Path) -> None:
    folder = make(tmp_path / "keys")
    session = json.loads((folder.path / "gpu" / "session.json5").read_text())
    assert session["connect"]["endpoints"] == ["tls/192.168.1.10:7447"]
    assert session["transport"]["link"]["tls"]["connect_private_key"] == "/etc/keys/key.pem"
    robot = json.loads((folder.path / "robot" / "session.json5").read_text())
    assert robot["connect"]["endpoints"] == ["tls/localhost:7447"]
    assert robot["transport"]["link"]["tls"]["root_ca_certificate"] == str(folder.path / "robot" / "ca.pem")
    router = json.loads((folder.path / "robot" / "router.json5").read_text())
    assert (router["mode"], router["listen"]["endpoints"]) == ("router", ["tls/[::]:7447"])


def test_an_address_of_ipv6_is_in_brackets(tmp_path: Path) -> None:
    folder = KeyFolder.create(tmp_path / "keys", NOW)
    folder.add(HostName.parse("robot=fe80::1"), router=None, days=1, at=None, now=NOW)
    folder.add(GPU, router=folder.router_address(), days=1, at=None, now=NOW)
    session = json.loads((folder.path / "gpu" / "session.json5").read_text())
    assert session["connect"]["endpoints"] == ["tls/[fe80::1]:7447"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    folder = make(tmp_path / "keys")
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    with pytest.raises(KeyFolderError, match="not empty, and keys are never overwritten"):
        KeyFolder.create(folder.path, NOW)
    with pytest.raises(KeyFolderError, match="this host exists"):
        folder.add(GPU, router="robot", days=1, at=None, now=NOW)
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == before


def test_a_renewed_certificate_is_for_the_same_key_and_the_old_one_is_kept(tmp_path: Path) -> None:
    folder = make(tmp_path / "keys")
    key = (folder.path / "robot" / "key.pem").read_bytes()
    later = NOW + timedelta(days=300)
    old = folder.hosts()[1]
    path = folder.renew(HostName("robot"), days=365, now=later)
    new = read_certificate(path)
    assert (new.until, new.addresses) == (later + timedelta(days=365), old.addresses)
    assert (folder.path / "robot" / "key.pem").read_bytes() == key
    (kept,) = path.parent.glob("cert_until_*.pem")
    assert read_certificate(kept) == old
    moved = read_certificate(folder.renew(HostName("robot", ("10.0.0.1",)), days=365, now=later))
    assert moved.addresses[:2] == ("10.0.0.1", "robot")
    with pytest.raises(KeyFolderError, match="nothing to renew"):
        folder.renew(HostName("other"), days=1, now=later)


def test_no_certificate_outlives_the_authority(tmp_path: Path) -> None:
    folder = make(tmp_path / "keys")
    assert read_certificate(folder.renew(GPU, days=10**9, now=NOW)).until == folder.authority.until
    with pytest.raises(ValueError, match=r"the authority expired on 2036-11-24; create a new one"):
        folder.renew(GPU, days=1, now=NOW + timedelta(days=4000))


def test_a_host_that_cannot_be_added_leaves_nothing(tmp_path: Path) -> None:
    folder = make(tmp_path / "keys")
    (folder.path / "authority" / "ca_key.pem").write_text("nonsense")
    with pytest.raises(ValueError, match="not a PEM private key"):
        folder.add(HostName("new"), router="robot", days=1, at=None, now=NOW)
    assert not (folder.path / "new").exists()
    (folder.path / "authority" / "ca_key.pem").unlink()
    with pytest.raises(KeyFolderError, match="the authority's key is not here"):
        folder.add(HostName("new"), router="robot", days=1, at=None, now=NOW)


@pytest.mark.parametrize(
    "text", ["", "=1.2.3.4", "a/b", "..", "authority", "a b", "-a", "a-", "x" * 65, "robot=", "r=a,,b", "r=1:2"]
)
def test_a_name_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(KeyFolderError, match="host"):
        HostName.parse(text)


@pytest.mark.parametrize(
    ("text", "reached_by"), [("robot", "robot"), ("robot=10.0.0.1,robot.local", "10.0.0.1"), ("r=fe80::1", "fe80::1")]
)
def test_the_first_address_is_what_others_connect_to(text: str, reached_by: str) -> None:
    assert HostName.parse(text).reached_by == reached_by


def test_restrictions_are_in_the_settings_of_all_hosts_also_of_those_that_come_later(tmp_path: Path) -> None:
    folder = make(tmp_path / "keys")
    folder.restrict({"/action": ["gpu"], "/policy_node/execute": ["robot"]})
    folder.add(HostName("camera"), router="robot", days=1, at=None, now=NOW)
    blocks = [
        json.loads((folder.path / name).read_text())["access_control"]
        for name in ("robot/session.json5", "robot/router.json5", "gpu/session.json5", "camera/session.json5")
    ]
    assert blocks[0]["enabled"]
    assert all(block == blocks[0] for block in blocks)
    rules = AccessRules(blocks[0])
    may = {
        name: (
            not rules.denies(name, "put", "7/action/rt::A_/h"),
            not rules.denies(name, "put", "7/action/rt::A_/h/@adv/pub/1"),
            not rules.denies(name, "query", "7/policy_node/execute/_action/send_goal/rt::E_/h"),
            not rules.denies(name, "put", "7/policy_node/execute/_action/feedback/rt::E_/h"),
            not rules.denies(name, "query", "7/policy_node/stop/std::T_/h"),
            not rules.denies(name, "put", "7/arm/action/rt::A_/h"),
        )
        for name in ("robot", "gpu", "camera", "nobody")
    }
    assert may["robot"] == (True, True, True, True, True, True)
    assert may["gpu"] == (True, True, False, True, True, True)
    assert may["camera"] == may["nobody"] == (False, False, False, True, True, True)
    folder.restrict({})
    assert json.loads((folder.path / "gpu/session.json5").read_text())["access_control"] == {"enabled": False}


def test_a_restriction_that_would_do_nothing_is_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "keys")
    with pytest.raises(KeyFolderError, match="/action=gpv: no host of this name; known hosts: gpu, robot"):
        folder.restrict({"/action": ["gpv"]})
    for name in ("/act*", "~/stop", "/", "/a//b"):
        with pytest.raises(KeyFolderError, match="expected the name of a topic"):
            folder.restrict({name: ["gpu"]})
    (folder.path / "gpu" / "session.json5").write_text("{ mode: 'peer' } // mine")
    with pytest.raises(KeyFolderError, match="not plain JSON any more"):
        folder.restrict({"/action": ["gpu"]})
