"""The quality of service of a command."""

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
    parser.add_argument("--qos-profile", choices=_PROFILES, default=default_profile, help="QoS preset (%(default)s)")
    parser.add_argument("--qos-reliability", choices=("reliable", "best_effort"), help="overrides the preset")
    parser.add_argument("--qos-durability", choices=("volatile", "transient_local"), help="overrides the preset")
    parser.add_argument("--qos-history", choices=("keep_last", "keep_all"), help="overrides the preset")
    parser.add_argument("--qos-depth", type=int, metavar="N", help="overrides the preset")


def asked_for(args: argparse.Namespace) -> QoSProfile:
    """The preset with the given overrides."""
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
    """The given profile, or by default one that matches all publishers, as reliable as they are."""
    profile = asked_for(args)
    fitted = as_offered(copy.copy(profile), [info.qos_profile for info in node.get_publishers_info_by_topic(topic)])
    if args.qos_reliability is None:
        profile.reliability = fitted.reliability
    if args.qos_durability is None:
        profile.durability = fitted.durability
    return profile


def as_offered(profile: QoSProfile, publishers: Sequence[QoSProfile]) -> QoSProfile:
    """The profile, adapted to match all publishers, as reliable as they are; unchanged if there are none."""
    if publishers:
        reliable = all(offered.reliability == QoSReliabilityPolicy.RELIABLE for offered in publishers)
        profile.reliability = QoSReliabilityPolicy.RELIABLE if reliable else QoSReliabilityPolicy.BEST_EFFORT
        kept = all(offered.durability == QoSDurabilityPolicy.TRANSIENT_LOCAL for offered in publishers)
        profile.durability = QoSDurabilityPolicy.TRANSIENT_LOCAL if kept else QoSDurabilityPolicy.VOLATILE
    return profile
