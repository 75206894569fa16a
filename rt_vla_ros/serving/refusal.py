"""Errors as they are reported to a robot, also across processes."""

from __future__ import annotations

import traceback
from dataclasses import dataclass

from rt_vla_ros.policies.policy import PolicyFaultError
from rt_vla_ros.policies.remote.error_wire import KINDS, kind_of


def in_words_for_robots(error: BaseException) -> str:
    """An error as reported to a robot: its message if it is meant for users, otherwise with its location."""
    text = str(error).strip() or type(error).__name__
    if isinstance(error, ValueError | OSError | ImportError | PolicyFaultError):
        return text
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" ({last[0].name}, line {last[0].lineno})" if last else ""
    return f"{type(error).__name__}: {text}{place}"


@dataclass(frozen=True)
class Refusal:
    """Why a robot gets no answer. kind: of the error, see policies.remote.error_wire."""

    kind: str
    sentence: str

    @classmethod
    def of(cls, error: BaseException) -> Refusal:
        """The refusal that reports this error."""
        return cls(kind_of(error), in_words_for_robots(error))

    def error(self) -> Exception:
        """An error that is reported in the same way."""
        return KINDS[self.kind](self.sentence)
