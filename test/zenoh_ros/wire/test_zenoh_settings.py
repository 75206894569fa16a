"""Zenoh's settings as users of rmw_zenoh give them, and links that carry TLS alone."""

from __future__ import annotations

import json
import os
import threading
from datetime import datetime, timezone
from pathlib import Path

import pytest
import zenoh
from conftest import RosGraph, free_port
from support.processes import ROOT, Program

from wire.conftest import Waiter
from zenoh_ros.security.key_folder import HostName, KeyFolder
from zenoh_ros.wire.errors import WireError
from zenoh_ros.wire.messages import message_class
from zenoh_ros.wire.qos import QosProfile
from zenoh_ros.wire.session import Session
from zenoh_ros.wire.zenoh_settings import TLS, ZenohSettings, router_patience

PEER = ROOT / "test" / "support" / "wire_peer.py"


def config_of(settings: ZenohSettings, mode: str = "peer") -> zenoh.Config:
    return settings.configuration({"scouting/delay": 500}, listen=mode == "peer", mode=mode, host=mode == "router")


def said(config: zenoh.Config, key: str) -> object:
    return json.loads(str(config.get_json(key)))


def test_without_settings_the_graph_is_this_machine_s_own(ros_graph: RosGraph) -> None:
    settings = ZenohSettings(None)
    assert (settings.router, settings.secure, settings.is_client) == ("tcp/localhost:7447", False, False)
    assert said(config_of(settings), "listen/endpoints") == ["tcp/localhost:0"]


def test_a_file_and_changes_of_it_are_taken(
    ros_graph: RosGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "session.json5"
    path.write_text(
        '{ mode: "client", connect: { endpoints: ["tcp/robot:7448", "tcp/b:1"] }, scouting: { delay: 7 } } // 5'
    )
    monkeypatch.setenv("ZENOH_SESSION_CONFIG_URI", str(path))
    settings = ZenohSettings(None)
    assert (settings.router, settings.is_client) == ("tcp/robot:7448", True)
    assert said(config_of(settings, "client"), "connect/endpoints") == ["tcp/robot:7448", "tcp/b:1"]
    assert said(config_of(settings), "scouting/delay") == 7
    monkeypatch.setenv(
        "ZENOH_CONFIG_OVERRIDE", 'connect/endpoints=["tcp/c:2#iface=a;x=y"];scouting/delay=9; mode="peer";'
    )
    settings = ZenohSettings(None)
    assert (settings.router, settings.is_client) == ("tcp/c:2#iface=a;x=y", False)
    assert said(config_of(settings), "scouting/delay") == 9
    assert ZenohSettings("tcp/d:3").router == "tcp/d:3"  # RT_VLA_ROS_ROUTER goes before both


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("nonsense", "nonsense is not of the form KEY=VALUE"),
        ("=1", "is not of the form KEY=VALUE"),
        ("mode=", "is not of the form KEY=VALUE"),
        ('mod="peer"', "mod=.* is rejected by Zenoh"),
        ("scouting/delay=[", "is rejected by Zenoh"),
    ],
)
def test_a_change_that_is_none_is_said(override: str, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENOH_CONFIG_OVERRIDE", override)
    with pytest.raises(WireError, match=f"ZENOH_CONFIG_OVERRIDE: .*{message}"):
        ZenohSettings(None)


def test_a_file_that_is_none_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENOH_SESSION_CONFIG_URI", str(tmp_path / "none.json5"))
    with pytest.raises(WireError, match=r"ZENOH_SESSION_CONFIG_URI=.*none\.json5: Zenoh cannot use this file"):
        ZenohSettings(None)


@pytest.mark.parametrize(("text", "seconds"), [("", 4.0), ("0", float("inf")), ("7", 7.0)])
def test_attempts_are_seconds(text: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENOH_ROUTER_CHECK_ATTEMPTS", text)
    assert router_patience(4.0) == seconds


@pytest.mark.parametrize("text", ["-1", "some", "1.5"])
def test_no_attempts_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZENOH_ROUTER_CHECK_ATTEMPTS", text)
    with pytest.raises(WireError, match=f"ZENOH_ROUTER_CHECK_ATTEMPTS={text}: expected a number of attempts"):
        router_patience(4.0)


def test_with_tls_no_endpoint_is_plain(ros_graph: RosGraph, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ZenohSettings("tls/localhost:1#root_ca_certificate=/a/ca.pem;enable_mtls=true")
    config = config_of(settings)
    assert (settings.router, settings.secure) == ("tls/localhost:1", True)
    assert said(config, "listen/endpoints") == ["tls/localhost:0"]
    assert said(config, "transport/link/protocols") == ["tls"]
    assert said(config, "transport/shared_memory/enabled") is False
    assert (said(config, f"{TLS}/root_ca_certificate"), said(config, f"{TLS}/enable_mtls")) == ("/a/ca.pem", True)
    monkeypatch.setenv("ZENOH_CONFIG_OVERRIDE", f'{TLS}/root_ca_certificate="/a/ca.pem"')
    assert ZenohSettings(None).router == "tls/localhost:7447"
    with pytest.raises(WireError, match="TLS is configured, but tcp/localhost:1 is an endpoint without it"):
        ZenohSettings("tcp/localhost:1")
    monkeypatch.setenv("ZENOH_CONFIG_OVERRIDE", 'listen/endpoints=["tcp/localhost:0"]')
    with pytest.raises(WireError, match="TLS is configured, but tcp/localhost:0 is an endpoint without it"):
        ZenohSettings("tls/localhost:1")


def host_folder(path: Path) -> Path:
    now = datetime.now(timezone.utc)
    return KeyFolder.create(path, now).add(HostName("robot"), router=None, days=365, at=None, now=now)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a host."""
    return host_folder(tmp_path_factory.mktemp("certificates") / "keys")


@pytest.fixture
def tls_graph(certificates: Path, ros_graph: RosGraph, monkeypatch: pytest.MonkeyPatch) -> str:
    """The router's endpoint; this process has a certificate."""
    router = f"tls/localhost:{ros_graph.port}"
    monkeypatch.setenv("RT_VLA_ROS_ROUTER", router)
    monkeypatch.setenv("ZENOH_SESSION_CONFIG_URI", str(certificates / "session.json5"))
    return router


def listening() -> set[int]:
    """TCP ports on which this process listens."""
    inodes = {
        os.readlink(f"/proc/self/fd/{fd}")
        for fd in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{fd}")
    }
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes}


def hears(router: str, heard: list[bytes], *, mode: str = "client") -> bool:
    """Whether a program without a certificate gets in; what it then hears is added to `heard`."""
    config = zenoh.Config()
    settings = {
        "mode": mode,
        "connect/endpoints": [router],
        "scouting/multicast/enabled": False,
        "listen/endpoints": [],
    }
    settings |= {"connect/timeout_ms": 1000, "connect/exit_on_failure": True, f"{TLS}/verify_name_on_connect": False}
    for key, value in settings.items():
        config.insert_json5(key, json.dumps(value))
    try:
        session = zenoh.open(config)
    except zenoh.ZError:
        return False
    session.declare_subscriber("**", lambda sample: heard.append(bytes(sample.payload)))
    return True


def test_who_has_a_certificate_is_on_the_graph_and_nobody_else(
    tls_graph: str, certificates: Path, waiter: Waiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    string = message_class("std_msgs/msg/String")
    with Program(PEER, "there") as there:
        assert there.expect("ready") == "router"
        here = Session.open()
        assert not here.hosts_router
        heard = here.create_node("here").create_subscription("/out", string, QosProfile(depth=10), waiter)
        sent = here.create_node("too").create_publisher("/in", string, QosProfile(depth=10))
        assert here.graph.wait_for(lambda _: (heard.publisher_count, sent.subscription_count) == (1, 1), 20)
        stolen: list[bytes] = []
        ports = listening()
        assert ports  # of this peer; that of the router is in the other process
        plain = [
            f"{protocol}/localhost:{port}"
            for port in (*ports, int(tls_graph.rpartition(":")[2]))
            for protocol in ("tcp", "tls")
        ]
        with_authority = f"{tls_graph}#root_ca_certificate={certificates / 'ca.pem'}"
        threads = [threading.Thread(target=hears, args=(at, stolen)) for at in (*plain, with_authority)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sent.publish(string(data="hello"))
        assert waiter.take(heard.take)[0].data == "echo hello"
        assert stolen == []
        monkeypatch.delenv("ZENOH_SESSION_CONFIG_URI")
        with pytest.raises(WireError, match=r"cannot be used .*; give this host keys of that graph"):
            Session.open(patience=1.0)
        plain_router = tls_graph.replace("tls/", "tcp/")
        with pytest.raises(WireError, match="is a TLS endpoint of a graph that requires certificates"):
            Session.open(router=plain_router, patience=1.0)
        here.close()


def test_a_certificate_of_another_authority_is_said_to_be_refused(
    tls_graph: str, certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Session.open()
    assert host.hosts_router
    stranger = host_folder(tmp_path / "other")
    monkeypatch.setenv("ZENOH_SESSION_CONFIG_URI", str(stranger / "session.json5"))
    with pytest.raises(WireError, match="the TLS handshake failed: its certificate is from another authority"):
        Session.open(patience=1.0)
    host.close()


def test_a_client_does_not_wait_for_ever_whatever_the_file_says(
    ros_graph: RosGraph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZENOH_CONFIG_OVERRIDE", 'mode="client";connect/timeout_ms=-1')
    with pytest.raises(WireError, match="cannot be bound or reached"):
        Session.open(patience=0.3)


def test_nobody_answers_in_tls_where_nobody_is(ros_graph: RosGraph) -> None:
    with pytest.raises(WireError, match="cannot be bound or reached"):
        Session.open(router=f"tcp/127.0.0.2:{free_port()}", patience=0.3)
