"""The running graph, watched for a few seconds: its nodes, publishers and subscribers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rclpy._rclpy_pybind11 import RCLError
from sensor_msgs.msg import CompressedImage, Image

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.action_space.frames import refuse_frame
from rt_vla_ros.cli.doctor.camera_watch import CameraWatch
from rt_vla_ros.cli.doctor.finding import Finding
from rt_vla_ros.cli.doctor.graph_look import GraphLook, on_graph
from rt_vla_ros.cli.doctor.parameter_files import SIM_TIME, NodeSetup
from rt_vla_ros.cli.doctor.state_watch import StateWatch, needed_types
from rt_vla_ros.nodes.camera_topics import camera_topics
from rt_vla_ros.nodes.conversions import seconds
from rt_vla_ros.nodes.start_error import StartError

DISCOVERY = 2.0
"""Timeout of the discovery of the nodes, and again of their topics [s]."""
LISTENING = 3.0
"""Listening time [s]."""
PATIENCE = 10.0
"""Extra listening time for published topics without messages so far [s]."""
OLDEST_TRANSFORM = 0.5
"""Largest age, or lead, of a transform that the smoother accepts [s]."""
ACTION_TYPE, TWIST_TYPE = "rt_vla_ros/msg/ActionChunk", "geometry_msgs/msg/TwistStamped"
DRIVERS = {"delta_twist_cmds": "the arm's driver", "base_twist_cmds": "the base's driver"}
"""Who subscribes to the velocities on a topic of this name; it may have been remapped to another."""
IMAGE_TYPES = {"sensor_msgs/msg/Image": Image, "sensor_msgs/msg/CompressedImage": CompressedImage}


def look_at_graph(
    policy: NodeSetup, smoother: NodeSetup, card: ActionCard | None, listening: float = LISTENING
) -> Iterator[Finding]:
    """policy, smoother: as configured by files; the values of running nodes take precedence. listening: time [s]."""
    try:
        with on_graph() as look:
            yield from _look(look, policy, smoother, card, listening)
    except RCLError as error:
        yield Finding(False, f"Cannot join the graph: {error}")


def _look(
    look: GraphLook, policy: NodeSetup, smoother: NodeSetup, card: ActionCard | None, listening: float
) -> Iterator[Finding]:
    look.spin(DISCOVERY, lambda: bool(look.find(policy.full_name) and look.find(smoother.full_name)))
    own, follower = look.find(policy.full_name), look.find(smoother.full_name)
    for full_name, found in ((policy.full_name, own), (smoother.full_name, follower)):
        if found is None:
            there = ", ".join(sorted(look.full_names())[:12]) or "no nodes"
            yield Finding(False, f"No {full_name} on the graph (it has {there}): start it.")
    values = dict(policy.values) | {key: smoother.values[key] for key in ("tip_frame", "workspace_frame")}
    seen = dict(policy.values)
    for running in filter(None, (own, follower)):
        told = look.parameters(running)
        if told is None:
            yield Finding(False, f"{running} does not answer parameter requests: it hangs.")
        values |= told or {}
        seen |= (told or {}) if running == own else {}
    look.spin(DISCOVERY, lambda: _is_complete(look, own, follower, seen, card))
    watches = [CameraWatch(look, topic, IMAGE_TYPES[kind]) for topic, kind in _image_topics(look, policy, own)]
    if own is not None and not watches:
        yield Finding(False, f"{own} subscribes to no images: is it the policy node of this package?")
    state = _watch_state(look, seen, card, policy, own)
    look.spin(listening)
    look.spin(PATIENCE, lambda: not _is_due(look, watches, values, card))
    for watch in watches:
        yield from watch.findings(values, card)
    if isinstance(state, Finding):
        yield state
    elif state is not None:
        yield from state.findings()
    yield from _clock(look, values)
    yield from _actions(look, own)
    yield from _velocities(look, follower)
    yield from _frames(look, values, card)


def _is_complete(
    look: GraphLook, policy: str | None, smoother: str | None, values: Mapping[str, Any], card: ActionCard | None
) -> bool:
    """Whether the nodes' topics are known, which come one by one after the nodes. values: the policy node's."""
    if policy is not None:
        kinds = [kind for _, kind in look.topics(policy, published=False)]
        if sum(kind in IMAGE_TYPES for kind in kinds) < len(_camera_topics(values)):
            return False
        if not needed_types(card) <= set(kinds) or _published(look, policy, ACTION_TYPE) is None:
            return False
    return smoother is None or _published(look, smoother, TWIST_TYPE) is not None


def _is_due(
    look: GraphLook, watches: Iterable[CameraWatch], values: Mapping[str, Any], card: ActionCard | None
) -> bool:
    """Whether a published topic has too few messages so far."""
    if any(watch.is_due() for watch in watches):
        return True
    if values[SIM_TIME] and look.clock_ns is None and look.node.count_publishers("/clock"):
        return True
    placed = any(map(look.node.count_publishers, ("/tf", "/tf_static")))
    return placed and not all(finding.fine for finding in _frames(look, values, card))


def _image_topics(look: GraphLook, policy: NodeSetup, running: str | None) -> list[tuple[str, str]]:
    """Names and types of the image topics that the policy node subscribes to, or would."""
    if running is not None:
        return [(topic, kind) for topic, kind in look.topics(running, published=False) if kind in IMAGE_TYPES]
    space, compressed = policy.full_name.rpartition("/")[0], policy.values["image_transport"] == "compressed"
    kind, suffix = ("sensor_msgs/msg/CompressedImage", "/compressed") if compressed else ("sensor_msgs/msg/Image", "")
    return [(f"{space}/{name}{suffix}", kind) for name in _camera_topics(policy.values)]


def _camera_topics(values: Mapping[str, Any]) -> list[str]:
    try:
        return list(camera_topics(values["cameras"]).values())
    except StartError:  # is told of where the files are read
        return []


def _watch_state(
    look: GraphLook, values: Mapping[str, Any], card: ActionCard | None, policy: NodeSetup, running: str | None
) -> StateWatch | Finding | None:
    """None if no state is needed. values: the policy node's parameters."""
    if card is None or not card.state:
        return None
    try:
        return StateWatch(look, card, values, running or policy.full_name, runs=running is not None)
    except ValueError as error:
        return Finding(False, str(error))


def _clock(look: GraphLook, values: Mapping[str, Any]) -> Iterator[Finding]:
    publishers = look.node.count_publishers("/clock")
    if values[SIM_TIME] and look.clock_ns is None:
        who = "/clock has no publisher" if not publishers else "/clock does not advance"
        yield Finding(
            False, f"{SIM_TIME} is true but {who}: no node acts. Start the simulation, or remove the parameter."
        )
    elif publishers and not values[SIM_TIME]:
        yield Finding(False, f"There is a /clock, but {SIM_TIME} is false: set it to true for a simulation.")


def _actions(look: GraphLook, policy: str | None) -> Iterator[Finding]:
    topic = _published(look, policy, ACTION_TYPE) or "/action"
    publishers = _names(look.node.get_publishers_info_by_topic(topic))
    listeners = _names(look.node.get_subscriptions_info_by_topic(topic))
    if len(publishers) > 1:
        named = " and ".join(publishers)
        yield Finding(False, f"{named} publish {topic}: the arm follows one and rejects the others. Stop all but one.")
    if not publishers:
        yield Finding(False, f"No publisher on {topic}: start the policy node, or check the remaps.")
    if publishers and not listeners:
        yield Finding(False, f"No subscriber on {topic}: start the smoother node, or check the remaps.")
    if len(publishers) == 1 and listeners:
        yield Finding(True, f"{publishers[0]} publishes {topic}; subscribed by {' and '.join(listeners)}.")


def _velocities(look: GraphLook, smoother: str | None) -> Iterator[Finding]:
    """The velocity topics of the arm and, if the smoother drives one, of the base."""
    for topic in _all_published(look, smoother, TWIST_TYPE):
        listeners = _names(look.node.get_subscriptions_info_by_topic(topic))
        if listeners:
            yield Finding(True, f"The velocities on {topic} are subscribed by {' and '.join(listeners)}.")
        else:
            driver = DRIVERS.get(topic.rpartition("/")[2], "the driver of the arm or the base")
            yield Finding(False, f"No subscriber of the velocities on {topic}: start {driver}, or remap the topic.")


def _frames(look: GraphLook, values: Mapping[str, Any], card: ActionCard | None) -> Iterator[Finding]:
    frame_id = values["frame_id"] or (card.frame_id if card is not None else "")
    refused = refuse_frame(frame_id, look.frames()) if frame_id else None
    if refused is not None:
        yield Finding(False, refused)
    elif frame_id:
        yield Finding(True, f"TF knows the frame {frame_id!r} of the actions.")
    target, source = values["workspace_frame"], values["tip_frame"]
    if not target or not source:
        return
    stamp_ns = look.stamp_ns(target, source)
    if isinstance(stamp_ns, str):
        start = "Start a robot_state_publisher for the arm, or correct tip_frame and workspace_frame."
        yield Finding(False, f"TF has no pose of the tip {source!r} in {target!r}: {stamp_ns}. {start}")
        return
    now_ns = look.clock_ns if values[SIM_TIME] else time.time_ns()
    age = seconds(now_ns - stamp_ns) if stamp_ns and now_ns is not None else 0.0
    if abs(age) > OLDEST_TRANSFORM:
        when = f"is {age:.3g} s old" if age > 0 else f"is {-age:.3g} s in the future"
        yield Finding(False, f"The pose of the tip {source!r} in {target!r} {when}: check the clocks of the hosts.")
    else:
        yield Finding(True, f"TF has the pose of the tip {source!r} in {target!r}.")


def _published(look: GraphLook, full_name: str | None, kind: str) -> str | None:
    return next(iter(_all_published(look, full_name, kind)), None)


def _all_published(look: GraphLook, full_name: str | None, kind: str) -> list[str]:
    topics = look.topics(full_name, published=True) if full_name else []
    return [topic for topic, one in topics if one == kind]


def _names(infos: list[Any]) -> list[str]:
    return sorted({f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in infos})
