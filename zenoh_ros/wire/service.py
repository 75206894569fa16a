"""Services and clients: a service is a Zenoh queryable, a client a querier."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import zenoh

from zenoh_ros.wire.attachment import Attachment
from zenoh_ros.wire.cdr import deserialize, serialize
from zenoh_ros.wire.complaints import Complaints
from zenoh_ros.wire.errors import DecodeError, WireError
from zenoh_ros.wire.graph import Graph
from zenoh_ros.wire.keys import EndpointKey, EndpointKind
from zenoh_ros.wire.messages import Message, ServiceClass

if TYPE_CHECKING:
    from zenoh_ros.wire.session import Session

_TIMEOUT_S = 30 * 86400.0  # a request for the result of an action waits as long as the action takes
_MATCH_POLL_S = 0.01  # from the token of a service to the match of its queryable
_LOOK_AGAIN_S = 1.0


class Request:
    """The sender of a request; used to send the response."""

    def __init__(self, query: zenoh.Query, key: EndpointKey, attachment: Attachment) -> None:
        self.attachment = attachment
        self._query: zenoh.Query | None = query
        self._key = key

    def reply(self, response: Message) -> None:
        """Send the response, once; a client that no longer exists is not an error."""
        query, self._query = self._query, None
        if query is None:
            raise WireError(f"{self._key.name}: this request was already answered")
        attachment = Attachment.now(self.attachment.sequence, self.attachment.gid).pack()
        with query:
            query.reply(self._key.data_key(), serialize(response), attachment=attachment)


class Service:
    """A service of a node; created by `Node.create_service`.

    Attributes:
        key: its entry in the graph (name, type, hash, QoS, gid).
    """

    def __init__(
        self,
        session: Session,
        key: EndpointKey,
        service_class: type[ServiceClass],
        on_data: Callable[[], None] | None = None,
    ) -> None:
        self.key = key
        self.service_class = service_class
        self._complaints = Complaints()
        self._session = session
        self._on_data = on_data
        self._queue: deque[zenoh.Query] = deque()
        self._data_key = key.data_key()
        self._closed = False
        handler = zenoh.handlers.Callback(self._receive, indirect=False)
        # The queryable is declared first: requests may follow as soon as the token is seen.
        self._queryable = session.zenoh.declare_queryable(key.data_key(), handler, complete=True)
        self._token = session.zenoh.liveliness().declare_token(key.token())

    @property
    def malformed(self) -> int:
        """Number of requests that could not be decoded."""
        return self._complaints.count

    @property
    def pending(self) -> int:
        """Number of requests waiting in the queue."""
        return len(self._queue)

    def take(self) -> tuple[Message, Request] | None:
        """The oldest queued request, decoded; None if there is none. Invalid requests are counted and skipped."""
        while True:
            try:
                query = self._queue.popleft()
            except IndexError:
                return None
            try:
                raw, payload = query.attachment, query.payload
                attachment = Attachment.unpack(b"" if raw is None else raw.to_bytes())
                content = b"" if payload is None else payload.to_bytes()
                return deserialize(content, self.service_class.Request), Request(query, self.key, attachment)
            except (DecodeError, ValueError) as error:
                query.drop()
                self._complaints.add(
                    "", f"{self.key.name}: a request cannot be read ({error}); such requests are dropped"
                )

    def close(self) -> None:
        """Remove the service from the graph; may be called twice. Queued requests get no response."""
        if self._closed:
            return
        self._closed = True
        if not self._session.closed:
            self._token.undeclare()
            self._queryable.undeclare()
        while self._queue:
            self._queue.popleft().drop()

    def _receive(self, query: zenoh.Query) -> None:
        if self._closed:
            query.drop()
            return
        if str(query.key_expr) != self._data_key:
            # ROS never calls several services at once, and such a request would bypass access control.
            self._complaints.add("pattern", f"{self.key.name}: a request to all of {query.key_expr} is dropped")
            query.drop()
            return
        self._queue.append(query)
        if self._on_data is not None:
            self._on_data()


class Client:
    """A client of a service; created by `Node.create_client`.

    If there is no service, a request waits for one and is sent once. Whether it was then executed is unknown, so it is
    never sent again.

    Attributes:
        key: its entry in the graph (name, type, hash, QoS, gid).
    """

    def __init__(
        self,
        session: Session,
        key: EndpointKey,
        service_class: type[ServiceClass],
        on_data: Callable[[], None] | None = None,
    ) -> None:
        self.key = key
        self.service_class = service_class
        self._complaints = Complaints()
        self._session = session
        self._gid = key.gid
        self._on_data = on_data
        self._sequences = count(1)
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._open: set[int] = set()
        self._replies: deque[tuple[int, bytes]] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self._searching = False
        self._querier = session.zenoh.declare_querier(
            key.data_key(),
            target=zenoh.QueryTarget.ALL_COMPLETE,
            consolidation=zenoh.ConsolidationMode.NONE,
            congestion_control=zenoh.CongestionControl.BLOCK,
            timeout=_TIMEOUT_S,
        )
        self._token = session.zenoh.liveliness().declare_token(key.token())

    @property
    def service_is_ready(self) -> bool:
        """Whether the graph has a service of this name and type that requests can reach."""
        shown = self._session.graph.count(EndpointKind.SERVICE, self.key.name, self.key.data_key()) > 0
        return shown and self._matches()

    @property
    def malformed(self) -> int:
        """Number of responses that could not be decoded."""
        return self._complaints.count

    @property
    def pending(self) -> int:
        """Number of responses waiting in the queue."""
        return len(self._replies)

    def send(self, request: Message) -> int:
        """Send a request, or keep it until the service is available.

        Returns:
            The request's sequence number, which `take` returns with the response.

        Raises:
            TypeError: not an instance of the service's Request.
            WireError: the client or the session is closed.
        """
        if not isinstance(request, self.service_class.Request):
            raise TypeError(f"{self.key.name}: expected {self.key.type_name}_Request, got {type(request).__name__}")
        payload = bytes(serialize(request))
        with self._lock:
            if self._closed or self._session.closed:
                raise WireError(f"client of {self.key.name} is closed")
            sequence = next(self._sequences)
            self._open.add(sequence)
            self._waiting.append((sequence, payload))
        self._send_waiting()
        self._search()
        return sequence

    def take(self) -> tuple[Message, int] | None:
        """The oldest queued response, decoded, with its request's sequence number; None if there is none."""
        while True:
            try:
                sequence, payload = self._replies.popleft()
            except IndexError:
                return None
            try:
                return deserialize(payload, self.service_class.Response), sequence
            except DecodeError as error:
                self._complaints.add("", f"{self.key.name}: a response cannot be read ({error}); it is dropped")

    def forget(self, sequence: int) -> None:
        """Ignore the response to a request; if it was not sent yet, it is dropped."""
        with self._lock:
            self._open.discard(sequence)
            self._waiting = deque(item for item in self._waiting if item[0] != sequence)

    def close(self) -> None:
        """Remove the client from the graph; may be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._waiting.clear()
            self._open.clear()
        if not self._session.closed:
            self._token.undeclare()
            self._querier.undeclare()

    def _matches(self) -> bool:
        """The stub declares a bool, but the library returns an object that is always true."""
        return bool(getattr(self._querier.matching_status, "matching", False))

    def _search(self) -> None:
        """Wait for the service in a thread while a request is pending.

        Zenoh's matching listeners are not used: a direct one runs in the thread for which AdvancedPublisher.undeclare
        waits while holding the GIL (a deadlock of 10 s), and an indirect one has a thread for which Python waits at
        exit.
        """
        with self._lock:
            if self._searching or self._closed or not self._waiting:
                return
            self._searching = True
        threading.Thread(target=self._wait_for_service, daemon=True, name=f"waits for {self.key.name}").start()

    def _wait_for_service(self) -> None:
        graph = self._session.graph
        while True:
            with self._lock:
                if self._closed or self._session.closed or not self._waiting:
                    self._searching = False
                    return
            shown = graph.count(EndpointKind.SERVICE, self.key.name, self.key.data_key()) > 0
            if shown and self._matches():
                self._send_waiting()
            elif shown:
                time.sleep(_MATCH_POLL_S)
            else:
                graph.wait_for(self._is_news, timeout=_LOOK_AGAIN_S)

    def _is_news(self, graph: Graph) -> bool:
        found = graph.count(EndpointKind.SERVICE, self.key.name, self.key.data_key()) > 0
        return found or self._closed or not self._waiting

    def _send_waiting(self) -> None:
        # Zenoh is never called while holding the lock, because its threads acquire it to deliver a reply.
        while self._waiting and self._matches():
            with self._lock:
                if self._closed or not self._waiting:
                    return
                sequence, payload = self._waiting.popleft()
            attachment = Attachment.now(sequence, self._gid).pack()
            handler = zenoh.handlers.Callback(partial(self._receive, sequence), indirect=False)
            self._querier.get(handler, payload=payload, attachment=attachment)

    def _receive(self, sequence: int, reply: zenoh.Reply) -> None:
        sample = reply.ok
        with self._lock:
            if sample is None or sequence not in self._open:
                return
            self._open.discard(sequence)
            self._replies.append((sequence, sample.payload.to_bytes()))
        if self._on_data is not None:
            self._on_data()
