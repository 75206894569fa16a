"""Who is refused by a router is told why, and so is the router's user: real sessions on ports of this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import zenoh
from conftest import RosGraph
from support.processes import ROOT

from zenoh_ros.security.key_folder import HostName, KeyFolder
from zenoh_ros.wire.errors import WireError
from zenoh_ros.wire.refusals import _address, meaning, remote_addresses
from zenoh_ros.wire.session import Session
from zenoh_ros.wire.zenoh_settings import TLS

NOW = datetime.now(timezone.utc)


_started: list[RouterProcess] = []


@pytest.fixture(autouse=True)
def _no_orphans() -> Iterator[None]:
    """Ends what a test started, also where it fails."""
    yield
    while _started:
        _started.pop().kill()


class RouterProcess:
    """`rt-vla router` with its log."""

    def __init__(self, folder: Path, *words: str) -> None:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "ZENOH_SESSION_CONFIG_URI": str(folder / "session.json5")}
        command = [sys.executable, "-m", "rt_vla_ros.cli", "router", *words]
        self._process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        _started.append(self)
        self._lines: list[str] = []
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        self.says("Router at")

    def says(self, sentence: str, timeout: float = 30.0) -> None:
        """Waits for a line with this in it."""
        with self._news:
            assert self._news.wait_for(lambda: any(sentence in line for line in self._lines), timeout), self._lines

    def lines(self) -> list[str]:
        """What it said so far."""
        with self._news:
            return list(self._lines)

    def end(self) -> int:
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(20)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._lines.append(line.rstrip())
                self._news.notify_all()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFolder:
    folder = KeyFolder.create(tmp_path_factory.mktemp("keys") / "keys", NOW)
    folder.add(HostName("robot", ("127.0.0.1",)), router=None, days=365, at=None, now=NOW)
    for name in ("gpu", "camera", "old"):
        folder.add(HostName(name), router="127.0.0.1", days=365, at=None, now=NOW)
    return folder


@pytest.fixture
def router(keys: KeyFolder, ros_graph: RosGraph, monkeypatch: pytest.MonkeyPatch) -> RouterProcess:
    """In a process of its own; this process connects to it."""
    monkeypatch.setenv("RT_VLA_ROS_ROUTER", f"tls/localhost:{ros_graph.port}")
    monkeypatch.setenv("ZENOH_CONFIG_OVERRIDE", 'mode="client"')
    return RouterProcess(keys.path / "robot", "--listen", f"tls/127.0.0.1:{ros_graph.port}")


def be(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENOH_SESSION_CONFIG_URI", str(host / "session.json5"))


def refused(sentence: str) -> None:
    with pytest.raises(WireError, match=sentence):
        Session.open(patience=1.0)


def test_who_comes_and_who_goes_is_said(
    keys: KeyFolder, router: RouterProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    be(keys.path / "gpu", monkeypatch)
    session = Session.open()
    assert (session.hosts_router, session.certificate_name) == (False, "gpu")
    router.says("gpu (127.0.0.1:")
    router.says("has joined")
    session.close()
    router.says("has left")
    assert router.end() == 130


def test_another_authority_is_refused_and_both_say_so(
    keys: KeyFolder, router: RouterProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = KeyFolder.create(tmp_path / "other", NOW)
    stranger = other.add(HostName("stranger"), router="127.0.0.1", days=365, at=None, now=NOW)
    be(stranger, monkeypatch)
    refused("is reachable, but the TLS handshake failed: its certificate is from another authority")
    router.says("was rejected: it does not trust the authority of this router's certificate")
    # It trusts ours, but shows its own.
    be(mixed(stranger, keys.path / "gpu", tmp_path / "mixed"), monkeypatch)
    refused("cert.pem cannot be used: it was not issued by the authority in root_ca_certificate")


def mixed(of: Path, authority_of: Path, path: Path) -> Path:
    path.mkdir()
    text = (of / "session.json5").read_text().replace(str(of / "ca.pem"), str(authority_of / "ca.pem"))
    (path / "session.json5").write_text(text)
    return path


def knock(port: int, **tls: object) -> None:
    """A Zenoh that is not of this project, such as rmw_zenoh's."""
    config = zenoh.Config()
    for key, value in {
        "mode": "client",
        "connect/endpoints": [f"tls/localhost:{port}"],
        "connect/timeout_ms": 800,
        "scouting/multicast/enabled": False,
        **{f"{TLS}/{key}": value for key, value in tls.items()},
    }.items():
        config.insert_json5(key, json.dumps(value))
    with pytest.raises(zenoh.ZError):
        zenoh.open(config)


def certificate(folder: Path, authority: Path, *, mtls: bool = True) -> dict[str, object]:
    shown = {"connect_certificate": str(folder / "cert.pem"), "connect_private_key": str(folder / "key.pem")}
    return {"root_ca_certificate": str(authority), "enable_mtls": mtls} | (shown if mtls else {})


def test_the_router_says_what_is_wrong_with_each(
    keys: KeyFolder, router: RouterProcess, ros_graph: RosGraph, tmp_path: Path
) -> None:
    ours = keys.path / "gpu" / "ca.pem"
    other = KeyFolder.create(tmp_path / "other", NOW)
    stranger = other.add(HostName("stranger"), router="x", days=365, at=None, now=NOW)
    knock(ros_graph.port, **certificate(stranger, ours))
    router.says("was rejected: its certificate is from another authority")
    knock(ros_graph.port, **certificate(stranger, ours, mtls=False))
    router.says("was rejected: it presents no certificate: it was started without keys")
    keys.renew(HostName("old"), days=1, now=NOW - timedelta(days=2))
    knock(ros_graph.port, **certificate(keys.path / "old", ours))
    router.says("was rejected: its certificate has expired")
    keys.renew(HostName("old"), days=1, now=NOW + timedelta(days=2))
    knock(ros_graph.port, **certificate(keys.path / "old", ours))
    router.says("was rejected: its certificate is not valid yet")


def test_without_keys_or_with_expired_ones_nobody_gets_in(
    keys: KeyFolder, router: RouterProcess, ros_graph: RosGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.renew(HostName("old"), days=1, now=NOW - timedelta(days=2))
    be(keys.path / "old", monkeypatch)
    refused("has expired by this host's clock: renew it with `rt-vla keys renew`")
    monkeypatch.delenv("ZENOH_SESSION_CONFIG_URI")
    monkeypatch.setenv("RT_VLA_ROS_ROUTER", f"tcp/localhost:{ros_graph.port}")
    refused("is a TLS endpoint of a graph that requires certificates: start the endpoint with tls/")
    router.says("was rejected: it does not use TLS: it was started without keys")


def expired(robot: KeyFolder) -> None:
    robot.renew(HostName("robot"), days=1, now=NOW - timedelta(days=2))


def for_another_name(robot: KeyFolder) -> None:
    """As openssl makes it where localhost is forgotten."""
    from zenoh_ros.security import authority

    before = authority.EVERYWHERE
    authority.EVERYWHERE = ()
    robot.renew(HostName("robot", ("elsewhere",)), days=1, now=NOW)
    authority.EVERYWHERE = before


@pytest.mark.parametrize(
    ("spoil", "here", "there"),
    [
        (expired, "its certificate has expired by this host's clock", "this router's certificate has expired"),
        (
            for_another_name,
            "its certificate is not for localhost",
            "certificate is not for the name that it connects to",
        ),
    ],
)
def test_a_router_that_is_not_what_it_should_be_is_refused(
    spoil: Callable[[KeyFolder], None],
    here: str,
    there: str,
    ros_graph: RosGraph,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = KeyFolder.create(tmp_path / "keys", NOW)
    robot = folder.add(HostName("robot"), router=None, days=365, at=None, now=NOW)
    gpu = folder.add(HostName("gpu"), router="localhost", days=365, at=None, now=NOW)
    # A router of rmw_zenoh does not look at its own certificate; here it is spoilt after the look.
    monkeypatch.setattr("zenoh_ros.wire.session._own_certificate", lambda settings: None)
    spoil(folder)
    be(robot, monkeypatch)
    serving = Session.serve(f"tls/127.0.0.1:{ros_graph.port}")
    monkeypatch.setenv("RT_VLA_ROS_ROUTER", f"tls/localhost:{ros_graph.port}")
    monkeypatch.setenv("ZENOH_CONFIG_OVERRIDE", 'mode="client"')
    be(gpu, monkeypatch)
    refused(here)
    serving.close()
    alert = {"expired": "CertificateExpired", "for_another_name": "BadCertificate"}[spoil.__name__]
    assert there in meaning(f"received fatal alert: {alert}")


def test_with_keys_a_router_listens_to_the_network_and_without_to_this_host(
    keys: KeyFolder, ros_graph: RosGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RT_VLA_ROS_ROUTER", f"tls/localhost:{ros_graph.port}")
    network = RouterProcess(keys.path / "robot")
    network.says(f":{ros_graph.port}, for hosts with a certificate of its authority.")
    assert "Router at tls/[::]:" in network.lines()[0] or "Router at tls/0.0.0.0:" in network.lines()[0]
    assert network.end() == 130
    monkeypatch.setenv("RT_VLA_ROS_ROUTER", ros_graph.router)
    (tmp_path / "session.json5").write_text("{}")
    local = RouterProcess(tmp_path)
    local.says(f"Router at {ros_graph.router}, for any host that can reach it.")
    assert "make keys" not in local.lines()[0]
    assert local.end() == 130
    everybody = RouterProcess(tmp_path, "--listen", f"tcp/0.0.0.0:{ros_graph.port}")
    everybody.says("They can move the arm: create keys with `rt-vla keys create`")


def test_a_router_needs_its_port(ros_graph: RosGraph) -> None:
    router = Session.serve(f"tcp/127.0.0.1:{ros_graph.port}")
    assert router.hosts_router
    with pytest.raises(WireError, match=r"cannot be bound .*: is a router already running"):
        Session.serve(f"tcp/127.0.0.1:{ros_graph.port}")
    router.close()
    with pytest.raises(
        WireError, match="this means every address of this host, which only `rt-vla router --listen` accepts"
    ):
        Session.open(router="tls/[::]:7447")


def test_what_is_not_known_is_handed_on() -> None:
    assert meaning("something new") == "something new"


def test_addresses_are_read_as_the_kernel_writes_them() -> None:
    assert _address("0100007F") == "127.0.0.1"
    assert _address("0000000000000000FFFF00000101A8C0") == "192.168.1.1"
    assert _address("00000000000000000000000001000000") == "::1"
    assert remote_addresses(1) == set()
