"""What access control drops, and that both sides say so; the rules are judged here as Zenoh judges them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
import zenoh
from conftest import RosGraph

from wire.conftest import Waiter
from zenoh_ros.security.key_folder import HostName, KeyFolder
from zenoh_ros.wire.access import AccessRules
from zenoh_ros.wire.messages import message_class, service_class
from zenoh_ros.wire.qos import QosProfile
from zenoh_ros.wire.session import Session

NOW = datetime.now(timezone.utc)
QOS = QosProfile(depth=10)
HOSTS = ("robot", "gpu", "camera")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> KeyFolder:
    """Only gpu may publish /action, only camera may call /release; robot hosts the router."""
    folder = KeyFolder.create(tmp_path_factory.mktemp("keys") / "keys", NOW)
    for name in HOSTS:
        folder.add(HostName(name), router=None if name == "robot" else "localhost", days=365, at=None, now=NOW)
    folder.restrict({"/action": ["gpu"], "/release": ["camera"]})
    return folder


@pytest.fixture
def sessions(keys: KeyFolder, ros_graph: RosGraph, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Session]]:
    """One of each host."""
    monkeypatch.setenv("RT_VLA_ROS_ROUTER", f"tls/localhost:{ros_graph.port}")
    opened = {}
    for name in HOSTS:
        monkeypatch.setenv("ZENOH_SESSION_CONFIG_URI", str(keys.path / name / "session.json5"))
        opened[name] = Session.open()
    yield opened
    for session in reversed(opened.values()):
        session.close()


def test_only_who_may_is_heard_and_both_sides_say_so(
    sessions: dict[str, Session], waiter: Waiter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "zenoh_ros.wire")
    string = message_class("std_msgs/msg/String")
    heard = sessions["robot"].create_node("smoother").create_subscription("/action", string, QOS, waiter)
    senders = {
        name: sessions[name].create_node(f"{name}_node").create_publisher("/action", string, QOS)
        for name in ("camera", "gpu")
    }
    assert heard._session.graph.wait_for(lambda _: heard.publisher_count == 2, 20)
    for name, sender in senders.items():
        waiter.until(lambda sender=sender: sender.subscription_count == 1)  # type: ignore[misc]
        sender.publish(string(data=f"from {name}"))
    assert waiter.take(heard.take)[0].data == "from gpu"
    assert heard.take() is None
    waiter.until(lambda: len(caplog.messages) >= 2)
    assert sorted(caplog.messages) == [
        "/action: access control does not allow /camera_node to publish on it; its host is camera; its messages are "
        "dropped (docs/security.md)",
        "/action: access control does not allow /camera_node to publish on it; the certificate of this host, camera, "
        "has no permission; its messages are dropped (docs/security.md)",
    ]


def test_only_who_may_call_a_service_is_answered(
    sessions: dict[str, Session], waiter: Waiter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "zenoh_ros.wire")
    trigger = service_class("std_srvs/srv/Trigger")
    node = sessions["robot"].create_node("smoother")
    services = {name: node.create_service(name, trigger, on_data=waiter) for name in ("/release", "/stop")}
    clients = {
        (host, name): sessions[host].create_node(f"{host}_node").create_client(name, trigger)
        for host in ("gpu", "camera")
        for name in services
    }
    for client in clients.values():
        client.send(trigger.Request())
    for _ in ("gpu", "camera"):
        waiter.take(services["/stop"].take)[1].reply(trigger.Response(message="stopped"))
    waiter.take(services["/release"].take)[1].reply(trigger.Response(message="released"))
    for key in (("gpu", "/stop"), ("camera", "/stop"), ("camera", "/release")):
        assert waiter.take(clients[key].take)[0].message in ("stopped", "released")
    assert services["/release"].take() is None
    waiter.until(lambda: len(caplog.messages) >= 2)
    assert all("/release: access control does not allow /gpu_node to call it" in text for text in caplog.messages)


def test_a_pattern_of_topics_is_no_way_around(
    sessions: dict[str, Session], waiter: Waiter, caplog: pytest.LogCaptureFixture
) -> None:
    """Zenoh's rules refuse a key only where they cover all of it, so that `**` is let through."""
    string, trigger = message_class("std_msgs/msg/String"), service_class("std_srvs/srv/Trigger")
    node = sessions["robot"].create_node("smoother")
    heard = node.create_subscription("/action", string, QOS, waiter)
    service = node.create_service("/release", trigger, on_data=waiter)
    camera = sessions["camera"].zenoh
    domain = sessions["robot"].domain
    waiter.until(lambda: sessions["camera"].graph.count(heard.key.kind, "/action") == 1)
    for key in ("**", f"{domain}/**", f"{domain}/act$*/**", heard.key.data_key()):
        camera.put(key, b"\x00\x01\x00\x00")
    list(camera.get(f"{domain}/**", timeout=0.5))
    waiter.until(lambda: heard.malformed == 3 and service.malformed == 1)
    assert heard.take() is None
    assert service.take() is None
    assert "it was sent to all of **" in caplog.text


RULES: list[dict[str, Any]] = [
    {"id": "a", "messages": ["put"], "flows": ["ingress"], "permission": "deny", "key_exprs": ["*/a/**"]},
    {"id": "b", "messages": ["put"], "flows": ["ingress"], "permission": "deny", "key_exprs": ["*/b/**"]},
    {"id": "all", "messages": ["put"], "flows": ["ingress", "egress"], "permission": "allow", "key_exprs": ["**"]},
    {"id": "out", "messages": ["put"], "flows": ["egress"], "permission": "deny", "key_exprs": ["*/c/**"]},
]
SUBJECTS: list[dict[str, Any]] = [
    {"id": "everybody"},
    {"id": "gpu", "cert_common_names": ["gpu"]},
    {"id": "both", "cert_common_names": ["gpu", "camera"]},
]
CASES: list[tuple[str, list[tuple[list[str], list[str]]]]] = [
    ("allow", [(["a"], ["everybody"])]),
    ("allow", [(["a", "b"], ["everybody"]), (["b"], ["gpu"])]),
    ("allow", [(["a"], ["gpu"])]),
    ("allow", [(["a", "all", "out"], ["everybody"])]),
    ("deny", [(["all", "a"], ["everybody"])]),
    ("deny", [(["all"], ["gpu"]), (["b", "all"], ["both"])]),
    ("deny", [(["all"], ["both"]), (["a"], ["gpu"])]),
]


@pytest.mark.parametrize(("default", "policies"), CASES)
def test_the_rules_are_judged_as_zenoh_judges_them(
    default: str, policies: list[tuple[list[str], list[str]]], keys: KeyFolder, ros_graph: RosGraph, tmp_path: Path
) -> None:
    used = {name for _, names in policies for name in names}
    block = {
        "enabled": True,
        "default_permission": default,
        "rules": RULES,
        "subjects": [subject for subject in SUBJECTS if subject["id"] in used],
        "policies": [{"rules": rules, "subjects": subjects} for rules, subjects in policies],
    }
    rules = AccessRules(block)
    at = f"tls/localhost:{ros_graph.port}"
    robot = zenoh.open(settings(keys, "robot", mode="router", listen=at, access=block))
    got: set[str] = set()
    robot.declare_subscriber("**", lambda sample: got.add(sample.payload.to_string()))
    sent = {}
    others = []
    for name in ("gpu", "camera"):
        other = zenoh.open(settings(keys, name, mode="client", connect=at, access={"enabled": False}))
        for topic in "abc":
            sent[f"{name} {topic}"] = not rules.denies(name, "put", f"0/{topic}/T/h")
            other.put(f"0/{topic}/T/h", f"{name} {topic}")
        others.append(other)
    deadline = time.monotonic() + 5
    expected = {name for name, allowed in sent.items() if allowed}
    while not got >= expected and time.monotonic() < deadline:
        time.sleep(0.02)
    for other in others:
        other.close()
    while robot.info.links() and time.monotonic() < deadline:  # what came too much has come by the end of its link
        time.sleep(0.02)
    robot.close()
    assert got == expected


def settings(
    keys: KeyFolder, name: str, *, mode: str, access: object, listen: str = "", connect: str = ""
) -> zenoh.Config:
    config = zenoh.Config.from_file(str(keys.path / name / "session.json5"))
    for key, value in {
        "mode": mode,
        "listen/endpoints": [listen] if listen else [],
        "connect/endpoints": [connect] if connect else [],
        "access_control": access,
    }.items():
        config.insert_json5(key, json.dumps(value))
    return config


@pytest.mark.parametrize("more", [{"interfaces": ["lo"]}, {"usernames": ["u"]}, {"zids": ["1"]}])
def test_nothing_is_said_where_rules_go_by_more_than_certificates(more: dict[str, Any]) -> None:
    block = {
        "enabled": True,
        "default_permission": "deny",
        "rules": RULES,
        "subjects": [{"id": "everybody"} | more],
        "policies": [{"rules": ["all"], "subjects": ["everybody"]}],
    }
    assert not AccessRules(block).enabled
    assert not AccessRules(block).denies("gpu", "put", "0/a/T/h")


@pytest.mark.parametrize("said", [None, {}, {"enabled": False}, {"enabled": True, "rules": None, "subjects": None}])
def test_without_rules_nobody_is_denied(said: dict[str, Any] | None) -> None:
    assert not AccessRules(said).denies("gpu", "put", "0/a/T/h")
