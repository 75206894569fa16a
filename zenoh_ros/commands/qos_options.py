"""The quality of service that a command asks for."""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence

from rclpy.node import Node
from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSPresetProfiles,
    QoSProfile,
    QoSReliabilityPolicy,
)

_PROFILES = ("default", "sensor_data", "system_default", "services_default", "parameters")


def add_qos_arguments(parser: argparse.ArgumentParser, default_profile: str) -> None:
    """The options of ros2cli."""
    parser.add_argument("--qos-profile", choices=_PROFILES, default=default_profile, help="preset (%(default)s)")
    parser.add_argument("--qos-reliability", choices=("reliable", "best_effort"), help="instead of the preset's")
    parser.add_argument("--qos-durability", choices=("volatile", "transient_local"), help="instead of the preset's")
    parser.add_argument("--qos-history", choices=("keep_last", "keep_all"), help="instead of the preset's")
    parser.add_argument("--qos-depth", type=int, metavar="N", help="instead of the preset's")


def asked_for(args: argparse.Namespace) -> QoSProfile:
    """The preset, changed by what was given."""
    profile = copy.copy(QoSPresetProfiles.get_from_short_key(args.qos_profile))
    if args.qos_depth is not None:
        profile.depth = args.qos_depth
    if args.qos_history is not None:
        profile.history = QoSHistoryPolicy[args.qos_history.upper()]
    if args.qos_reliability is not None:
        profile.reliability = QoSReliabilityPolicy[args.qos_reliability.upper()]
    if args.qos_durability is not None:
        profile.durability = QoSDurabilityPolicy[args.qos_durability.upper()]
    return profile


def fitting_publishers(node: Node, topic: str, args: argparse.Namespace) -> QoSProfile:
    """What was asked for; where nothing was said, what hears all publishers, as reliably as they send."""
    profile = asked_for(args)
    fitted = as_offered(copy.copy(profile), [info.qos_profile for info in node.get_publishers_info_by_topic(topic)])
    if args.qos_reliability is None:
        profile.reliability = fitted.reliability
    if args.qos_durability is None:
        profile.durability = fitted.durability
    return profile


def as_offered(profile: QoSProfile, publishers: Sequence[QoSProfile]) -> QoSProfile:
    """The profile, changed to hear all publishers, as reliably as they send; as it is where there are none."""
    if publishers:
        reliable = all(offered.reliability == QoSReliabilityPolicy.RELIABLE for offered in publishers)
        profile.reliability = QoSReliabilityPolicy.RELIABLE if reliable else QoSReliabilityPolicy.BEST_EFFORT
        kept = all(offered.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL for offered in publishers)
        profile.durability = QoSDurabilityPolicy.TRANSIENT_LOCAL if kept else QoSDurabilityPolicy.VOLATILE
    return profile
