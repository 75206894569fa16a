"""The first messages of a robot and its server: identities, model, and action card."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.action_space.card_differences import card_differences
from rt_vla_ros.policies.remote import meta_fields as read
from rt_vla_ros.policies.remote.wire import RemoteWireError

_NAME = re.compile(r"[^\w .:@#-]", re.ASCII)
LONGEST_NAME = 64
HERE_AND_THERE = ("at the robot", "at the server")


def plain_name(name: str) -> str:
    """A robot's name in a form that is safe in tables, terminals and metric labels."""
    return _NAME.sub("_", name)[:LONGEST_NAME].strip() or "robot"


@dataclass(frozen=True)
class Hello:
    """A robot's first message.

    policy: name of the requested policy; empty: the only one. robot: its own name.
    model, card: those that it was started with; empty and None at its first connection.
    """

    policy: str
    robot: str
    model: str = ""
    card: Mapping[str, Any] | None = None

    def meta(self) -> dict[str, Any]:
        """The message's JSON object."""
        return {"policy": self.policy, "robot": self.robot, "model": self.model, "card": self.card}

    @classmethod
    def read(cls, meta: Mapping[str, Any]) -> Hello:
        """Raises RemoteWireError."""
        card = meta.get("card")
        names = [read.text(meta, key) for key in ("policy", "robot", "model")]
        return cls(names[0], plain_name(names[1]), names[2], None if card is None else read.record(card, "card"))


@dataclass(frozen=True)
class Welcome:
    """The server's answer to Hello.

    model: SHA-256 of the weights. card: of the policy. answers: whether its model answers questions.
    warm_up_instruction: see policies.policy.WarmUpPolicy.
    """

    policy: str
    model: str
    card: ActionCard
    answers: bool
    warm_up_instruction: str

    def meta(self) -> dict[str, Any]:
        """The message's JSON object."""
        return {
            "policy": self.policy,
            "model": self.model,
            "card": self.card.to_dict(),
            "answers": self.answers,
            "warm_up_instruction": self.warm_up_instruction,
        }

    @classmethod
    def read(cls, meta: Mapping[str, Any]) -> Welcome:
        """Raises RemoteWireError, also for an invalid card."""
        try:
            card = ActionCard.from_dict(read.record(meta.get("card"), "card"))
        except ActionCardError as error:
            raise RemoteWireError(f"The server's action card cannot be used: {error}") from error
        names = [read.text(meta, key) for key in ("policy", "model", "warm_up_instruction")]
        return cls(names[0], names[1], card, read.flag(meta, "answers"), names[2])


def refuse_other(hello: Hello, policy: str, model: str, card: ActionCard) -> str | None:
    """Why a robot that started with another model or card must not continue with this one; None if it may."""
    if hello.card is not None:
        differences = card_differences(dict(hello.card), card.to_dict(), HERE_AND_THERE)
        if differences:
            return (
                f"The robot was started with a different action card than {policy!r}, so its actions would have "
                f"a different meaning: {'; '.join(differences)}. Restart the robot's policy if this is intended."
            )
    if hello.model and hello.model != model:
        return (
            f"The robot was started with another model than {policy!r} is now ({hello.model[:12]} at the robot, "
            f"{model[:12]} at the server). Restart the robot's policy if this is intended."
        )
    return None
