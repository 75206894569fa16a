"""Quality of service policies and profiles."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import Any

from rclpy.duration import Duration
from zenoh_ros.wire import qos as wire_qos

UNSPECIFIED = Duration()


class InvalidQoSProfileException(Exception):
    """The arguments of a profile are inconsistent."""

    def __init__(self, message: str) -> None:
        super().__init__(f"Invalid QoSProfile: {message}")


class QoSPolicyKind(IntEnum):
    """Values of rmw_qos_policy_kind_e."""

    INVALID = 1 << 0
    DURABILITY = 1 << 1
    DEADLINE = 1 << 2
    LIVELINESS = 1 << 3
    RELIABILITY = 1 << 4
    HISTORY = 1 << 5
    LIFESPAN = 1 << 6
    DEPTH = 1 << 7
    LIVELINESS_LEASE_DURATION = 1 << 8
    AVOID_ROS_NAMESPACE_CONVENTIONS = 1 << 9


class QoSPolicyEnum(IntEnum):
    """A policy whose members have short lower-case names, as used on command lines."""

    @classmethod
    def short_keys(cls) -> list[str]:
        """Return the names in lower case."""
        return [name.lower() for name in cls.__members__]

    @classmethod
    def get_from_short_key(cls, name: str) -> int:
        """Return the member with this name, in upper or lower case."""
        return cls[name.upper()].value

    @property
    def short_key(self) -> str:
        """The member's name in lower case."""
        return self.name.lower()


class HistoryPolicy(QoSPolicyEnum):
    """Keep the last `depth` messages or all of them."""

    SYSTEM_DEFAULT = 0
    KEEP_LAST = 1
    KEEP_ALL = 2
    UNKNOWN = 3


class ReliabilityPolicy(QoSPolicyEnum):
    """Whether messages may get lost."""

    SYSTEM_DEFAULT = 0
    RELIABLE = 1
    BEST_EFFORT = 2
    UNKNOWN = 3
    BEST_AVAILABLE = 4


class DurabilityPolicy(QoSPolicyEnum):
    """Whether late subscribers get earlier messages."""

    SYSTEM_DEFAULT = 0
    TRANSIENT_LOCAL = 1
    VOLATILE = 2
    UNKNOWN = 3
    BEST_AVAILABLE = 4


class LivelinessPolicy(QoSPolicyEnum):
    """Who asserts that a publisher is alive."""

    SYSTEM_DEFAULT = 0
    AUTOMATIC = 1
    MANUAL_BY_TOPIC = 3
    UNKNOWN = 4
    BEST_AVAILABLE = 5


QoSHistoryPolicy = HistoryPolicy
QoSReliabilityPolicy = ReliabilityPolicy
QoSDurabilityPolicy = DurabilityPolicy
QoSLivelinessPolicy = LivelinessPolicy


class QoSProfile:
    """The policies of one publisher, subscription, client or service.

    Deadline, lifespan and liveliness are announced on the graph but have no effect.

    Raises:
        InvalidQoSProfileException: neither history nor depth is given, or KEEP_LAST without a depth.
    """

    __slots__ = [
        "_avoid_ros_namespace_conventions",
        "_deadline",
        "_depth",
        "_durability",
        "_history",
        "_lifespan",
        "_liveliness",
        "_liveliness_lease_duration",
        "_reliability",
    ]

    def __init__(
        self,
        history: HistoryPolicy | None = None,
        depth: int | None = None,
        reliability: ReliabilityPolicy | None = None,
        durability: DurabilityPolicy | None = None,
        lifespan: Duration | None = None,
        deadline: Duration | None = None,
        liveliness: LivelinessPolicy | None = None,
        liveliness_lease_duration: Duration | None = None,
        avoid_ros_namespace_conventions: bool | None = None,
    ) -> None:
        if history is None:
            if depth is None:
                raise InvalidQoSProfileException("History and/or depth settings are required.")
            history = HistoryPolicy.KEEP_LAST
        if history == HistoryPolicy.KEEP_LAST and depth is None:
            raise InvalidQoSProfileException("History set to KEEP_LAST without a depth setting.")
        self.history = history
        self.depth = 10 if depth is None else depth
        self.reliability = ReliabilityPolicy.RELIABLE if reliability is None else reliability
        self.durability = DurabilityPolicy.VOLATILE if durability is None else durability
        self.lifespan = UNSPECIFIED if lifespan is None else lifespan
        self.deadline = UNSPECIFIED if deadline is None else deadline
        self.liveliness = LivelinessPolicy.SYSTEM_DEFAULT if liveliness is None else liveliness
        self.liveliness_lease_duration = UNSPECIFIED if liveliness_lease_duration is None else liveliness_lease_duration
        self.avoid_ros_namespace_conventions = bool(avoid_ros_namespace_conventions)

    @property
    def history(self) -> HistoryPolicy:
        """Keep the last messages or all of them."""
        return self._history

    @history.setter
    def history(self, value: HistoryPolicy | int) -> None:
        self._history = HistoryPolicy(value)

    @property
    def depth(self) -> int:
        """Number of messages kept with KEEP_LAST."""
        return self._depth

    @depth.setter
    def depth(self, value: int) -> None:
        assert isinstance(value, int)
        self._depth = value

    @property
    def reliability(self) -> ReliabilityPolicy:
        """Whether messages may get lost."""
        return self._reliability

    @reliability.setter
    def reliability(self, value: ReliabilityPolicy | int) -> None:
        self._reliability = ReliabilityPolicy(value)

    @property
    def durability(self) -> DurabilityPolicy:
        """Whether late subscribers get earlier messages."""
        return self._durability

    @durability.setter
    def durability(self, value: DurabilityPolicy | int) -> None:
        self._durability = DurabilityPolicy(value)

    @property
    def lifespan(self) -> Duration:
        """How long a message is valid; zero: unspecified."""
        return self._lifespan

    @lifespan.setter
    def lifespan(self, value: Duration) -> None:
        assert isinstance(value, Duration)
        self._lifespan = value

    @property
    def deadline(self) -> Duration:
        """The maximum time between two messages; zero: unspecified."""
        return self._deadline

    @deadline.setter
    def deadline(self, value: Duration) -> None:
        assert isinstance(value, Duration)
        self._deadline = value

    @property
    def liveliness(self) -> LivelinessPolicy:
        """Who asserts that a publisher is alive."""
        return self._liveliness

    @liveliness.setter
    def liveliness(self, value: LivelinessPolicy | int) -> None:
        self._liveliness = LivelinessPolicy(value)

    @property
    def liveliness_lease_duration(self) -> Duration:
        """The lease duration of liveliness; zero: unspecified."""
        return self._liveliness_lease_duration

    @liveliness_lease_duration.setter
    def liveliness_lease_duration(self, value: Duration) -> None:
        assert isinstance(value, Duration)
        self._liveliness_lease_duration = value

    @property
    def avoid_ros_namespace_conventions(self) -> bool:
        """Has no effect: names always follow ROS's conventions."""
        return self._avoid_ros_namespace_conventions

    @avoid_ros_namespace_conventions.setter
    def avoid_ros_namespace_conventions(self, value: bool) -> None:
        assert isinstance(value, bool)
        self._avoid_ros_namespace_conventions = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, QoSProfile):
            return False
        return all(getattr(self, slot) == getattr(other, slot) for slot in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"QoSProfile({', '.join(f'{slot[1:]}={getattr(self, slot)}' for slot in self.__slots__)})"


def to_wire(profile: QoSProfile) -> wire_qos.QosProfile:
    """Return the profile as a QosProfile of zenoh_ros.wire."""
    return wire_qos.QosProfile(
        reliability=wire_qos.ReliabilityPolicy(int(profile.reliability)),
        durability=wire_qos.DurabilityPolicy(int(profile.durability)),
        history=wire_qos.HistoryPolicy(int(profile.history)),
        depth=profile.depth,
        deadline_ns=profile.deadline.nanoseconds,
        lifespan_ns=profile.lifespan.nanoseconds,
        liveliness=wire_qos.LivelinessPolicy(int(profile.liveliness)),
        lease_ns=profile.liveliness_lease_duration.nanoseconds,
    )


def from_wire(profile: wire_qos.QosProfile) -> QoSProfile:
    """Return a profile read from the graph; a liveliness policy unknown to rclpy becomes UNKNOWN."""
    known = profile.liveliness != wire_qos.LivelinessPolicy.MANUAL_BY_NODE
    return QoSProfile(
        history=HistoryPolicy(int(profile.history)),
        depth=profile.depth,
        reliability=ReliabilityPolicy(int(profile.reliability)),
        durability=DurabilityPolicy(int(profile.durability)),
        lifespan=Duration(nanoseconds=profile.lifespan_ns),
        deadline=Duration(nanoseconds=profile.deadline_ns),
        liveliness=LivelinessPolicy(int(profile.liveliness)) if known else LivelinessPolicy.UNKNOWN,
        liveliness_lease_duration=Duration(nanoseconds=profile.lease_ns),
    )


def _profile(depth: int, **changes: Any) -> QoSProfile:
    return QoSProfile(depth=depth, **changes)


# The values of rmw/qos_profiles.h; zero durations are "default".
qos_profile_unknown = QoSProfile(
    history=HistoryPolicy.UNKNOWN,
    depth=0,
    reliability=ReliabilityPolicy.UNKNOWN,
    durability=DurabilityPolicy.UNKNOWN,
    liveliness=LivelinessPolicy.UNKNOWN,
)
qos_profile_default = _profile(10)
qos_profile_system_default = QoSProfile(
    history=HistoryPolicy.SYSTEM_DEFAULT,
    depth=0,
    reliability=ReliabilityPolicy.SYSTEM_DEFAULT,
    durability=DurabilityPolicy.SYSTEM_DEFAULT,
)
qos_profile_sensor_data = _profile(5, reliability=ReliabilityPolicy.BEST_EFFORT)
qos_profile_services_default = _profile(10)
qos_profile_parameters = _profile(1000)
qos_profile_parameter_events = _profile(1000)
qos_profile_rosout_default = _profile(1000, durability=DurabilityPolicy.TRANSIENT_LOCAL, lifespan=Duration(seconds=10))
qos_profile_action_status_default = _profile(1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
qos_profile_best_available = QoSProfile(
    depth=10,
    reliability=ReliabilityPolicy.BEST_AVAILABLE,
    durability=DurabilityPolicy.BEST_AVAILABLE,
    liveliness=LivelinessPolicy.BEST_AVAILABLE,
)


class QoSPresetProfiles(Enum):
    """The predefined profiles by name."""

    UNKNOWN = qos_profile_unknown
    DEFAULT = qos_profile_default
    SYSTEM_DEFAULT = qos_profile_system_default
    SENSOR_DATA = qos_profile_sensor_data
    SERVICES_DEFAULT = qos_profile_services_default
    PARAMETERS = qos_profile_parameters
    PARAMETER_EVENTS = qos_profile_parameter_events
    ACTION_STATUS_DEFAULT = qos_profile_action_status_default
    BEST_AVAILABLE = qos_profile_best_available

    @classmethod
    def short_keys(cls) -> list[str]:
        """Return the names in lower case."""
        return [name.lower() for name in cls.__members__]

    @classmethod
    def get_from_short_key(cls, name: str) -> QoSProfile:
        """Return the profile with this name, in upper or lower case."""
        return cls[name.upper()].value


class QoSCompatibility(IntEnum):
    """Values of rmw_qos_compatibility_type_e."""

    OK = 0
    WARNING = 1
    ERROR = 2


def qos_check_compatible(publisher_qos: QoSProfile, subscription_qos: QoSProfile) -> tuple[QoSCompatibility, str]:
    """Return whether a publisher and a subscription with these profiles are compatible, and if not, why."""
    reasons = []
    if (publisher_qos.reliability, subscription_qos.reliability) == (
        ReliabilityPolicy.BEST_EFFORT,
        ReliabilityPolicy.RELIABLE,
    ):
        reasons.append("ERROR: Best effort publisher and reliable subscription;")
    if (publisher_qos.durability, subscription_qos.durability) == (
        DurabilityPolicy.VOLATILE,
        DurabilityPolicy.TRANSIENT_LOCAL,
    ):
        reasons.append("ERROR: Volatile publisher and transient local subscription;")
    return (QoSCompatibility.ERROR if reasons else QoSCompatibility.OK), "".join(reasons)
