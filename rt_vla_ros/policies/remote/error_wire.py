"""Errors of a policy in another process: their kind travels with them, so that they keep their type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rt_vla_ros.action_space.decoder import DecodingError
from rt_vla_ros.language.encoder import InstructionError
from rt_vla_ros.policies.policy import PolicyFaultError, PolicyLateError, PolicyLostError

FAULT = "fault"  # any error that is not a ValueError
KINDS: Mapping[str, type[Exception]] = {
    "instruction": InstructionError,
    "decoding": DecodingError,
    "lost": PolicyLostError,
    "late": PolicyLateError,
    "value": ValueError,
    FAULT: PolicyFaultError,
}
"""The errors that callers of a policy distinguish, derived ones first."""
FIRST_REASONS = ("decoding", "value", FAULT)  # the values of `reason` that robots of all versions know


def kind_of(error: BaseException) -> str:
    """The kind of an error."""
    return next((kind for kind, made in KINDS.items() if isinstance(error, made)), FAULT)


def error_meta(kind: str, sentence: str) -> dict[str, Any]:
    """The JSON object of a refusal; robots of earlier versions only read the sentence and `reason`."""
    reason = kind if kind in FIRST_REASONS else "value"
    return {"sentence": sentence[:4000], "reason": reason, "kind": kind}


def read_kind(meta: Mapping[str, Any]) -> str:
    """The kind in a refusal; for servers of earlier versions, and kinds of later ones, only its `reason`."""
    found = (meta.get(key) for key in ("kind", "reason"))
    return next((kind for kind in found if isinstance(kind, str) and kind in KINDS), FAULT)
