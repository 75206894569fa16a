"""Errors as they are reported to a robot, also across processes."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from rt_vla_ros.action_space.decoder import DecodingError


class PolicyFaultError(Exception):
    """An error of a policy in another process that is not the robot's; the message is complete."""


def in_words_for_robots(error: BaseException) -> str:
    """An error as reported to a robot: its message if it is meant for users, otherwise with its location."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, ValueError | OSError | PolicyFaultError):
        return text
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" ({last[0].name}, line {last[0].lineno})" if last else ""
    return f"{type(error).__name__}: {text}{place}"


@dataclass(frozen=True)
class Refusal:
    """Why a robot gets no answer. reason: what has failed: "value": this request; "decoding": the model; "fault"."""

    reason: str
    sentence: str

    @classmethod
    def of(cls, error: BaseException) -> Refusal:
        """The refusal that reports this error."""
        kinds = ((DecodingError, "decoding"), (ValueError, "value"))
        reason = next((word for kind, word in kinds if isinstance(error, kind)), "fault")
        return cls(reason, in_words_for_robots(error))

    def error(self) -> Exception:
        """An error that is reported in the same way."""
        kinds = {"decoding": DecodingError, "value": ValueError}
        return kinds.get(self.reason, PolicyFaultError)(self.sentence)
