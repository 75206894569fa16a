"""The QoS field of liveliness tokens."""

from __future__ import annotations

import itertools

import pytest

from zenoh_ros.wire.qos import DurabilityPolicy, HistoryPolicy, LivelinessPolicy, QosProfile, ReliabilityPolicy


@pytest.mark.parametrize(
    ("profile", "text"),
    [
        (QosProfile(), "::,:,:,:,,"),
        (QosProfile(depth=10), "::,10:,:,:,,"),
        (QosProfile(reliability=ReliabilityPolicy.BEST_EFFORT, depth=5), "2::,5:,:,:,,"),
        (QosProfile(durability=DurabilityPolicy.TRANSIENT_LOCAL, depth=1), ":1:,1:,:,:,,"),
        (QosProfile(history=HistoryPolicy.KEEP_ALL, depth=10), "::2,10:,:,:,,"),
        (QosProfile(depth=10, deadline_ns=1_500_000_000), "::,10:1,500000000:,:,,"),
        (QosProfile(depth=10, lifespan_ns=2_000_000_000), "::,10:,:2,0:,,"),
        (QosProfile(depth=10, liveliness=LivelinessPolicy.MANUAL_BY_TOPIC, lease_ns=3), "::,10:,:,:3,0,3"),
    ],
)
def test_text(profile: QosProfile, text: str) -> None:
    assert profile.encode() == text
    assert QosProfile.decode(text) == profile


def test_every_combination_comes_back() -> None:
    combinations = itertools.product(
        (ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT),
        (DurabilityPolicy.VOLATILE, DurabilityPolicy.TRANSIENT_LOCAL),
        (HistoryPolicy.KEEP_LAST, HistoryPolicy.KEEP_ALL),
        (1, 10, 42, 1000),
        (1, 999_999_999, 1_000_000_000, 9223372036854775807),
    )
    for reliability, durability, history, depth, duration in combinations:
        profile = QosProfile(reliability, durability, history, depth, duration, duration, lease_ns=duration)
        assert QosProfile.decode(profile.encode()) == profile


def test_unspecified_parts_become_definite() -> None:
    vague = QosProfile(
        ReliabilityPolicy.SYSTEM_DEFAULT,
        DurabilityPolicy.BEST_AVAILABLE,
        HistoryPolicy.SYSTEM_DEFAULT,
        0,
        0,
        0,
        lease_ns=0,
    )
    assert vague.resolved() == QosProfile()
    assert vague.encode() == "::,:,:,:,,"


@pytest.mark.parametrize(
    "text",
    ["", "::", "::,10:,:,:", "x::,10:,:,:,,", "::,ten:,:,:,,", "9::,10:,:,:,,", "::,-1:,:,:,,", "::,10:-9,0:,:,,"],
)
def test_broken_fields_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"QoS field|invalid literal|is not a valid"):
        QosProfile.decode(text)


def test_queue_length() -> None:
    assert QosProfile(depth=3).queue_length == 3
    assert QosProfile(history=HistoryPolicy.KEEP_ALL, depth=3).queue_length is None
