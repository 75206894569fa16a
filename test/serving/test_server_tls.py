"""A policy server with certificates: who is trusted on either side, and what the others are told."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from support.fleet_policies import SharedCounting, counting, view
from support.policy_server import RunningServer

from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.policy import PolicyLostError
from rt_vla_ros.policies.remote.settings import RemoteSettings
from zenoh_ros.security.key_folder import HostName, KeyFolder

Serve = Callable[..., RunningServer]
NOW = datetime.now(timezone.utc)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Certificates for a server and a robot of one authority, as `rt-vla keys` makes them."""
    folder = KeyFolder.create(tmp_path / "keys", NOW)
    for name in ("server", "robot"):
        folder.add(HostName(name), router=None, days=30, at=None, now=NOW)
    return folder.path


def begin(serve: Serve, keys: Path, *, mutual: bool = False) -> RunningServer:
    options: dict[str, object] = {"certificate": str(keys / "server/cert.pem"), "key": str(keys / "server/key.pem")}
    if mutual:
        options |= {"ssl_ca_certs": str(keys / "authority/ca.pem"), "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return serve({"counting": counting()}, share=SharedCounting, **options)


def robot(keys: Path, name: str = "robot") -> RemoteSettings:
    files = {"certificate": str(keys / name / "cert.pem"), "key": str(keys / name / "key.pem")}
    return RemoteSettings(budget=20.0, ca=str(keys / "robot/ca.pem"), **files)


def decides(server: RunningServer, settings: RemoteSettings) -> bool:
    policy = load_policy(server.address, remote=settings)
    policy.reset("go")
    return policy.act(view()).tokens == (1, 100)


def stranger(tmp_path: Path) -> Path:
    """A robot of another authority, of the same names."""
    folder = KeyFolder.create(tmp_path / "strangers", NOW)
    return folder.add(HostName("robot"), router=None, days=30, at=None, now=NOW).parent


def test_a_server_with_a_certificate_is_used_only_by_robots_that_trust_it(
    serve: Serve, keys: Path, tmp_path: Path
) -> None:
    server = begin(serve, keys)
    trusts = replace(robot(keys), certificate="", key="")
    assert decides(server, trusts)
    other = replace(trusts, ca=str(stranger(tmp_path) / "robot/ca.pem"))
    for settings in (other, replace(trusts, ca="system")):
        with pytest.raises(PolicyLostError, match=r"No trusted policy server .*remote_ca"):
            load_policy(server.address, remote=settings)
    with pytest.raises(PolicyLostError, match="remote_ca"):
        load_policy(server.address, remote=RemoteSettings())


def test_a_server_that_requires_certificates_accepts_only_robots_with_one(
    serve: Serve, keys: Path, tmp_path: Path
) -> None:
    server = begin(serve, keys, mutual=True)
    assert decides(server, robot(keys))
    strange = robot(stranger(tmp_path))
    for settings in (
        replace(robot(keys), certificate="", key=""),
        replace(robot(keys), certificate=strange.certificate, key=strange.key),
    ):
        with pytest.raises(PolicyLostError, match="remote_certificate"):
            load_policy(server.address, remote=settings)
    assert decides(server, robot(keys))


def test_a_certificate_that_has_ended_is_not_trusted(serve: Serve, keys: Path) -> None:
    KeyFolder(keys).renew(HostName("server"), days=1, now=NOW - timedelta(days=3))
    with pytest.raises(PolicyLostError, match="expired"):
        load_policy(begin(serve, keys).address, remote=robot(keys))


def test_files_that_cannot_be_used_are_named(serve: Serve, keys: Path) -> None:
    server = begin(serve, keys)
    for settings in (
        replace(robot(keys), ca=str(keys / "none.pem")),
        replace(robot(keys), key=str(keys / "server/key.pem")),
    ):
        with pytest.raises(ValueError, match=r"certificates for the server cannot be used"):
            load_policy(server.address, remote=settings)
