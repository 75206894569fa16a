"""The entities of a node: publishers, subscriptions, services, clients, timers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from rclpy.callback_groups import CallbackGroup, MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.client import Client
from rclpy.clock import Clock
from rclpy.constants import S_TO_NS
from rclpy.context import Context
from rclpy.guard_condition import GuardCondition
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, qos_profile_services_default, to_wire
from rclpy.service import Service
from rclpy.subscription import Subscription
from rclpy.timer import Rate, Timer
from rclpy.validate_names import validate_topic_name
from zenoh_ros.wire import node as wire

EntityT = TypeVar("EntityT")


class NodeEntities:
    """The entities of a Node. Lists are replaced, not modified in place, because an executor may be reading them."""

    _impl: wire.Node
    _context: Context
    _clock: Clock

    def _init_entities(self) -> None:
        self._publishers: list[Publisher[Any]] = []
        self._subscriptions: list[Subscription[Any]] = []
        self._clients: list[Client] = []
        self._services: list[Service] = []
        self._timers: list[Timer] = []
        self._guards: list[GuardCondition] = []
        self._action_entities: list[Any] = []
        self._default_callback_group: CallbackGroup = MutuallyExclusiveCallbackGroup()
        self._rate_group = ReentrantCallbackGroup()

    def _wake_executor(self) -> None:
        raise AssertionError("the node knows its executor")

    def resolve_topic_name(self, topic: str, *, only_expand: bool = False) -> str:
        """Return a topic name expanded and, unless `only_expand`, remapped."""
        raise AssertionError("the node knows the rules")

    def resolve_service_name(self, service: str, *, only_expand: bool = False) -> str:
        """Return a service name expanded and, unless `only_expand`, remapped."""
        raise AssertionError("the node knows the rules")

    @property
    def publishers(self) -> Iterator[Publisher[Any]]:
        """The node's publishers."""
        yield from self._publishers

    @property
    def subscriptions(self) -> Iterator[Subscription[Any]]:
        """The node's subscriptions."""
        yield from self._subscriptions

    @property
    def clients(self) -> Iterator[Client]:
        """The node's clients."""
        yield from self._clients

    @property
    def services(self) -> Iterator[Service]:
        """The node's services."""
        yield from self._services

    @property
    def timers(self) -> Iterator[Timer]:
        """The node's timers."""
        yield from self._timers

    @property
    def guards(self) -> Iterator[GuardCondition]:
        """The node's guard conditions."""
        yield from self._guards

    def _entities(self) -> Iterator[Any]:
        """All entities with callbacks, in the order in which an executor checks them."""
        for entities in (
            self._timers,
            self._subscriptions,
            self._guards,
            self._clients,
            self._services,
            self._action_entities,
        ):
            yield from entities

    @property
    def default_callback_group(self) -> CallbackGroup:
        """The callback group of entities created without one; mutually exclusive."""
        return self._default_callback_group

    def create_publisher(
        self,
        msg_type: type[Any],
        topic: str,
        qos_profile: QoSProfile | int,
        *,
        callback_group: CallbackGroup | None = None,
        event_callbacks: Any = None,
        qos_overriding_options: Any = None,
        publisher_class: type[Publisher[Any]] = Publisher,
    ) -> Publisher[Any]:
        """Create a publisher.

        Args:
            qos_profile: a profile, or the depth of a reliable, volatile one.
            callback_group, event_callbacks, qos_overriding_options: accepted but ignored.
        """
        profile = _profile(qos_profile)
        validate_topic_name(topic)
        _check_type(msg_type, "message")
        impl = self._impl.create_publisher(self.resolve_topic_name(topic), msg_type, to_wire(profile))
        publisher = publisher_class(impl, msg_type, topic, profile, self._context)
        self._publishers = [*self._publishers, publisher]
        return publisher

    def create_subscription(
        self,
        msg_type: type[Any],
        topic: str,
        callback: Callable[..., Any],
        qos_profile: QoSProfile | int,
        *,
        callback_group: CallbackGroup | None = None,
        event_callbacks: Any = None,
        qos_overriding_options: Any = None,
        raw: bool = False,
    ) -> Subscription[Any]:
        """Create a subscription.

        Args:
            callback: called with the message, or with the message and a MessageInfo.
            qos_profile: a profile, or the depth of a reliable, volatile one.
            event_callbacks, qos_overriding_options: accepted but ignored.
            raw: pass the bytes (CDR with its header) instead of a message.
        """
        profile = _profile(qos_profile)
        validate_topic_name(topic)
        _check_type(msg_type, "message")
        name, wake = self.resolve_topic_name(topic), self._wake_executor
        impl = self._impl.create_subscription(name, msg_type, to_wire(profile), on_data=wake)
        group = callback_group or self._default_callback_group
        subscription = Subscription(impl, msg_type, topic, callback, group, profile, raw)
        self._subscriptions = self._add(self._subscriptions, subscription)
        return subscription

    def create_client(
        self,
        srv_type: Any,
        srv_name: str,
        *,
        qos_profile: QoSProfile = qos_profile_services_default,
        callback_group: CallbackGroup | None = None,
    ) -> Client:
        """Create a client of a service."""
        validate_topic_name(srv_name, is_service=True)
        _check_type(srv_type, "service")
        name, wake = self.resolve_service_name(srv_name), self._wake_executor
        impl = self._impl.create_client(name, srv_type, to_wire(qos_profile), on_data=wake)
        group = callback_group or self._default_callback_group
        client = Client(self._context, impl, srv_type, srv_name, qos_profile, group)
        self._clients = self._add(self._clients, client)
        return client

    def create_service(
        self,
        srv_type: Any,
        srv_name: str,
        callback: Callable[[Any, Any], Any],
        *,
        qos_profile: QoSProfile = qos_profile_services_default,
        callback_group: CallbackGroup | None = None,
    ) -> Service:
        """Create a service; the callback gets request and response and returns the response; may be a coroutine."""
        validate_topic_name(srv_name, is_service=True)
        _check_type(srv_type, "service")
        name, wake = self.resolve_service_name(srv_name), self._wake_executor
        impl = self._impl.create_service(name, srv_type, to_wire(qos_profile), on_data=wake)
        group = callback_group or self._default_callback_group
        service = Service(impl, srv_type, srv_name, callback, group, qos_profile)
        self._services = self._add(self._services, service)
        return service

    def create_timer(
        self,
        timer_period_sec: float,
        callback: Callable[[], Any] | None,
        callback_group: CallbackGroup | None = None,
        clock: Clock | None = None,
        autostart: bool = True,
    ) -> Timer:
        """Create a timer.

        Args:
            timer_period_sec: period [s] on `clock`.
            clock: None for the node's clock, which a simulation can drive.
            autostart: False: the timer is canceled until reset.
        """
        timer = Timer(
            callback,
            callback_group or self._default_callback_group,
            int(float(timer_period_sec) * S_TO_NS),
            clock or self._clock,
            context=self._context,
            autostart=autostart,
            wake=self._wake_executor,
        )
        self._timers = self._add(self._timers, timer)
        return timer

    def create_guard_condition(
        self, callback: Callable[[], Any], callback_group: CallbackGroup | None = None
    ) -> GuardCondition:
        """Create a guard condition, which any thread can trigger to request a call of the callback."""
        group = callback_group or self._default_callback_group
        guard = GuardCondition(callback, group, context=self._context, wake=self._wake_executor)
        self._guards = self._add(self._guards, guard)
        return guard

    def create_rate(self, frequency: float, clock: Clock | None = None) -> Rate:
        """Create a Rate to sleep at `frequency` [Hz], in a thread that does not spin."""
        if frequency <= 0:
            raise ValueError("frequency must be > 0")
        timer = self.create_timer(1.0 / frequency, None, self._rate_group, clock)
        return Rate(timer, context=self._context)

    def _add_action_entity(self, action: Any) -> None:
        """Called by an action client or server when it is created."""
        self._action_entities = self._add(self._action_entities, action)

    def _remove_action_entity(self, action: Any) -> None:
        """Called by an action client or server when it is destroyed."""
        self._action_entities = [other for other in self._action_entities if other is not action]

    def _add(self, entities: list[EntityT], entity: EntityT) -> list[EntityT]:
        entity.callback_group.add_entity(entity)  # type: ignore[attr-defined]
        self._wake_executor()
        return [*entities, entity]

    def destroy_publisher(self, publisher: Publisher[Any]) -> bool:
        """Destroy a publisher; False if it is not this node's."""
        self._publishers, found = _without(self._publishers, publisher)
        return found

    def destroy_subscription(self, subscription: Subscription[Any]) -> bool:
        """Destroy a subscription; False if it is not this node's."""
        self._subscriptions, found = _without(self._subscriptions, subscription)
        return found

    def destroy_client(self, client: Client) -> bool:
        """Destroy a client; False if it is not this node's."""
        self._clients, found = _without(self._clients, client)
        return found

    def destroy_service(self, service: Service) -> bool:
        """Destroy a service; False if it is not this node's."""
        self._services, found = _without(self._services, service)
        return found

    def destroy_timer(self, timer: Timer) -> bool:
        """Destroy a timer; False if it is not this node's."""
        self._timers, found = _without(self._timers, timer)
        return found

    def destroy_guard_condition(self, guard: GuardCondition) -> bool:
        """Destroy a guard condition; False if it is not this node's."""
        self._guards, found = _without(self._guards, guard)
        return found

    def destroy_rate(self, rate: Rate) -> bool:
        """Destroy a rate and its timer; False if it is not this node's."""
        rate.destroy()
        return self.destroy_timer(rate._timer)

    def _destroy_entities(self) -> None:
        for entity in (*self._publishers, *self._entities()):
            entity.destroy()
        self._publishers, self._subscriptions, self._clients, self._services = [], [], [], []
        self._timers, self._guards, self._action_entities = [], [], []


def _without(entities: list[EntityT], entity: EntityT) -> tuple[list[EntityT], bool]:
    rest = [other for other in entities if other is not entity]
    if len(rest) == len(entities):
        return entities, False
    entity.destroy()  # type: ignore[attr-defined]
    return rest, True


def _profile(qos_or_depth: QoSProfile | int) -> QoSProfile:
    if isinstance(qos_or_depth, QoSProfile):
        return qos_or_depth
    if not isinstance(qos_or_depth, int):
        raise TypeError(f"Expected QoSProfile or int, but received {type(qos_or_depth)!r}")
    if qos_or_depth < 0:
        raise ValueError("history depth must be greater than or equal to zero")
    return QoSProfile(depth=qos_or_depth)


def _check_type(ros_type: Any, kind: str) -> None:
    name = getattr(ros_type, "_TYPE_NAME", "")
    if not name or (kind == "service") != hasattr(ros_type, "Request"):
        raise TypeError(
            f"{ros_type!r} is not a {kind} class; import it from <package>.{'srv' if kind == 'service' else 'msg'}"
        )
