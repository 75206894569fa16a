"""Logs what Zenoh's access control drops; Zenoh itself does so silently.

Rules refer to the common names of certificates. A publisher or client is known from its liveliness token, its
session's certificate is known if there is a direct link to it, and the rules are in this host's own settings.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import zenoh

from zenoh_ros.wire.complaints import Complaints
from zenoh_ros.wire.keys import EndpointKey, EndpointKind

if TYPE_CHECKING:
    from zenoh_ros.wire.session import Session

_MESSAGES = {EndpointKind.PUBLISHER: ("put", "publish on it"), EndpointKind.CLIENT: ("query", "call it")}
_BY_OTHERS = ("interfaces", "usernames", "link_protocols", "zids")
_LOOK_AGAIN_S = 2.0
_COUNTERPARTS = {EndpointKind.PUBLISHER: EndpointKind.SUBSCRIPTION, EndpointKind.CLIENT: EndpointKind.SERVICE}


class AccessRules:
    """The `access_control` of Zenoh's settings for received messages, as far as it refers to certificates."""

    def __init__(self, said: Mapping[str, Any] | None) -> None:
        said = said or {}
        self._open_to_all = said.get("default_permission") == "allow"
        rules = {rule["id"]: rule for rule in said.get("rules") or ()}
        self._subjects: list[tuple[list[str] | None, list[dict[str, Any]]]] = []
        by_others = False
        for subject in said.get("subjects") or ():
            by_others |= any(subject.get(key) for key in _BY_OTHERS)
            of = [policy for policy in said.get("policies") or () if subject["id"] in policy["subjects"]]
            used = [rules[name] for policy in of for name in policy["rules"] if name in rules]
            if used:
                self._subjects.append((subject.get("cert_common_names"), used))
        # Rules that also refer to interfaces or user names cannot be evaluated here and are ignored.
        self.enabled = bool(said.get("enabled")) and bool(self._subjects) and not by_others

    def denies(self, name: str, message: str, key: str) -> bool:
        """Whether a `message` (Zenoh's term) on a key is denied to a host with a certificate of this name.

        As in Zenoh: a subject may do what its own rules or the general ones allow; within each, deny overrides allow.
        """
        if not self.enabled:
            return False
        named = [rule for names, rules in self._subjects if names and name in names for rule in rules]
        for_all = [rule for names, rules in self._subjects if not names for rule in rules]
        verdicts = [self._may(rules, message, key) for rules in (named, for_all) if rules]
        return not any(verdicts) if verdicts else not self._open_to_all

    def _may(self, rules: list[dict[str, Any]], message: str, key: str) -> bool:
        found = {
            rule["permission"]
            for rule in rules
            if message in rule["messages"]
            and "ingress" in (rule.get("flows") or ("ingress",))
            and any(zenoh.KeyExpr(at).includes(zenoh.KeyExpr(key)) for at in rule["key_exprs"])
        }
        return "deny" not in found and (self._open_to_all or "allow" in found)


class AccessWatch:
    """Warns of each endpoint on the graph that the rules deny, including those of this process.

    Warns of others only if this session would have received their messages: it hosts the router, or has an endpoint
    at the other end of the topic.
    """

    def __init__(self, session: Session, rules: AccessRules) -> None:
        self._session, self._rules = session, rules
        self._complaints = Complaints(in_full=20)
        self._judged: set[str] = set()
        self._woken, self._closed = threading.Event(), False
        self._remove = session.graph.on_change(self._woken.set)
        self._thread = threading.Thread(target=self._run, name="access", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop."""
        self._closed = True
        self._remove()
        self._woken.set()
        self._thread.join()

    def _run(self) -> None:
        all_known = False
        while not self._closed:
            # A token may arrive through the router before the direct link exists.
            self._woken.wait(None if all_known else _LOOK_AGAIN_S)
            self._woken.clear()
            if not self._closed and not self._session.closed:
                all_known = self._look()

    def _look(self) -> bool:
        """Whether all endpoints could be checked."""
        endpoints = {end.token(): end for kind in _MESSAGES for end in self._session.graph.endpoints(kind)}
        self._judged &= set(endpoints)
        new = {token: endpoint for token, endpoint in endpoints.items() if token not in self._judged}
        names = _names_by_session(self._session) if new else {}
        for token, endpoint in new.items():
            mine = endpoint.node.zid == self._session.zid
            name = self._session.certificate_name if mine else names.get(endpoint.node.zid)
            if name is None:
                continue
            message, verb = _MESSAGES[endpoint.kind]
            denied = self._rules.denies(name, message, endpoint.data_key())
            if denied and not mine and not self._would_hear(endpoint):
                continue
            self._judged.add(token)
            if not denied:
                continue
            whose = f"the certificate of this host, {name}, has no permission" if mine else f"its host is {name}"
            self._complaints.add(
                (name, endpoint.name),
                f"{endpoint.name}: access control does not allow {endpoint.node.full_name} to {verb}; {whose}; its "
                "messages are dropped (docs/security.md)",
            )
        return self._judged >= set(endpoints)

    def _would_hear(self, endpoint: EndpointKey) -> bool:
        if self._session.hosts_router:
            return True
        others = self._session.graph.endpoints(_COUNTERPARTS[endpoint.kind], endpoint.name)
        return any(other.node.zid == self._session.zid for other in others)


def _names_by_session(session: Session) -> dict[str, str]:
    """Common names of the certificates of all linked sessions, by Zenoh id."""
    links: list[Any] = getattr(session.zenoh.info, "links", list)()  # not provided by older versions of Zenoh
    return {str(link.zid): link.auth_identifier for link in links if link.auth_identifier}
