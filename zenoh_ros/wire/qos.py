"""Quality of service, and its encoding in rmw_zenoh's liveliness tokens."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

INFINITE_NS = 9223372036854775807
_SECOND_NS = 1_000_000_000


class ReliabilityPolicy(IntEnum):
    """Values of rmw_qos_reliability_policy_e."""

    SYSTEM_DEFAULT = 0
    RELIABLE = 1
    BEST_EFFORT = 2
    UNKNOWN = 3
    BEST_AVAILABLE = 4


class DurabilityPolicy(IntEnum):
    """Values of rmw_qos_durability_policy_e."""

    SYSTEM_DEFAULT = 0
    TRANSIENT_LOCAL = 1
    VOLATILE = 2
    UNKNOWN = 3
    BEST_AVAILABLE = 4


class HistoryPolicy(IntEnum):
    """Values of rmw_qos_history_policy_e."""

    SYSTEM_DEFAULT = 0
    KEEP_LAST = 1
    KEEP_ALL = 2
    UNKNOWN = 3


class LivelinessPolicy(IntEnum):
    """Values of rmw_qos_liveliness_policy_e."""

    SYSTEM_DEFAULT = 0
    AUTOMATIC = 1
    MANUAL_BY_NODE = 2
    MANUAL_BY_TOPIC = 3
    UNKNOWN = 4
    BEST_AVAILABLE = 5


DEFAULT_DEPTH = 42


@dataclass(frozen=True)
class QosProfile:
    """Quality of service of one endpoint; the defaults are those of rmw_zenoh.

    Attributes:
        depth: number of messages kept with KEEP_LAST; 0: the default depth (42).
        deadline_ns, lifespan_ns, lease_ns: [ns]; 0 (unspecified) means infinite.
    """

    reliability: ReliabilityPolicy = ReliabilityPolicy.RELIABLE
    durability: DurabilityPolicy = DurabilityPolicy.VOLATILE
    history: HistoryPolicy = HistoryPolicy.KEEP_LAST
    depth: int = DEFAULT_DEPTH
    deadline_ns: int = INFINITE_NS
    lifespan_ns: int = INFINITE_NS
    liveliness: LivelinessPolicy = LivelinessPolicy.AUTOMATIC
    lease_ns: int = INFINITE_NS

    def resolved(self) -> QosProfile:
        """The profile with "system default", "best available" and unspecified policies replaced by definite ones."""
        return QosProfile(
            reliability=ReliabilityPolicy.BEST_EFFORT
            if self.reliability == ReliabilityPolicy.BEST_EFFORT
            else ReliabilityPolicy.RELIABLE,
            durability=DurabilityPolicy.TRANSIENT_LOCAL
            if self.durability == DurabilityPolicy.TRANSIENT_LOCAL
            else DurabilityPolicy.VOLATILE,
            history=HistoryPolicy.KEEP_ALL if self.history == HistoryPolicy.KEEP_ALL else HistoryPolicy.KEEP_LAST,
            depth=self.depth or DEFAULT_DEPTH,
            deadline_ns=self.deadline_ns or INFINITE_NS,
            lifespan_ns=self.lifespan_ns or INFINITE_NS,
            liveliness=LivelinessPolicy.MANUAL_BY_TOPIC
            if self.liveliness == LivelinessPolicy.MANUAL_BY_TOPIC
            else LivelinessPolicy.AUTOMATIC,
            lease_ns=self.lease_ns or INFINITE_NS,
        )

    @property
    def queue_length(self) -> int | None:
        """Number of samples that a subscriber keeps: the depth, or None (no limit) with KEEP_ALL."""
        return None if self.history == HistoryPolicy.KEEP_ALL else max(1, self.depth)

    def encode(self) -> str:
        """The token's QoS field, e.g. `::,10:,:,:,,`: parts equal to the default are empty."""
        profile = self.resolved()
        return ":".join(
            (
                _unless(profile.reliability, DEFAULT.reliability),
                _unless(profile.durability, DEFAULT.durability),
                f"{_unless(profile.history, DEFAULT.history)},{_unless(profile.depth, DEFAULT.depth)}",
                _encode_duration(profile.deadline_ns),
                _encode_duration(profile.lifespan_ns),
                f"{_unless(profile.liveliness, DEFAULT.liveliness)},{_encode_duration(profile.lease_ns)}",
            )
        )

    @classmethod
    def decode(cls, text: str) -> QosProfile:
        """Parse a token's QoS field; additional parts at the end, of later protocols, are ignored.

        Raises:
            ValueError: fewer than six parts, or an unknown value.
        """
        parts = [part.split(",") for part in text.split(":")]
        expected = (1, 1, 2, 2, 2, 3)
        if len(parts) < 6 or any(len(part) < count for part, count in zip(parts, expected, strict=False)):
            raise ValueError(
                f"QoS field {text!r}: expected reliability:durability:history,depth:deadline_s,ns:lifespan_s,ns:"
                "liveliness,s,ns"
            )
        return cls(
            reliability=ReliabilityPolicy(_number(parts[0][0], DEFAULT.reliability)),
            durability=DurabilityPolicy(_number(parts[1][0], DEFAULT.durability)),
            history=HistoryPolicy(_number(parts[2][0], DEFAULT.history)),
            depth=_number(parts[2][1], DEFAULT.depth),
            deadline_ns=_decode_duration(parts[3]),
            lifespan_ns=_decode_duration(parts[4]),
            liveliness=LivelinessPolicy(_number(parts[5][0], DEFAULT.liveliness)),
            lease_ns=_decode_duration(parts[5][1:]),
        )


DEFAULT = QosProfile()
SERVICES = QosProfile(depth=10)


def incompatibility(offered: QosProfile, requested: QosProfile) -> str:
    """The policy of a publisher (offered) that does not satisfy a subscription (requested); "" if they are compatible.

    ROS 2's rules for DDS. rmw_zenoh itself matches everything, but a graph that works here should work with DDS, too.
    """
    offered, requested = offered.resolved(), requested.resolved()
    if offered.reliability == ReliabilityPolicy.BEST_EFFORT and requested.reliability == ReliabilityPolicy.RELIABLE:
        return "RELIABILITY"
    if offered.durability == DurabilityPolicy.VOLATILE and requested.durability == DurabilityPolicy.TRANSIENT_LOCAL:
        return "DURABILITY"
    return ""


def _unless(value: int, default: int) -> str:
    return "" if value == default else str(int(value))


def _number(text: str, default: int) -> int:
    number = int(text) if text else int(default)
    if number < 0:
        raise ValueError(f"{text!r} in a QoS field: expected 0 or more")
    return number


def _encode_duration(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, _SECOND_NS)
    default_seconds, default_rest = divmod(INFINITE_NS, _SECOND_NS)
    return f"{_unless(seconds, default_seconds)},{_unless(rest, default_rest)}"


def _decode_duration(parts: list[str]) -> int:
    default_seconds, default_rest = divmod(INFINITE_NS, _SECOND_NS)
    return min(INFINITE_NS, _number(parts[0], default_seconds) * _SECOND_NS + _number(parts[1], default_rest))
