"""Paraphrases instructions with a fixed table, for the ablation "paraphrase"."""

from __future__ import annotations

import hashlib
import re

VERBS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"pick up (?P<x>.+)", ("take hold of {x} and raise it", "collect {x}", "fetch {x}")),
    (r"pick (?P<x>.+) up", ("take hold of {x} and raise it", "collect {x}", "fetch {x}")),
    (r"(?:lift|lift up|grab|grasp|take|get) (?P<x>.+)", ("pick up {x}", "collect {x}", "fetch {x}")),
    (r"(?:put|place) (?P<x>.+) (?P<where>on|in|into|onto) (?P<y>.+)", ("set {x} {where} {y}", "move {x} {where} {y}")),
    (r"open (?P<x>.+)", ("pull {x} open", "make {x} open")),
    (r"close (?P<x>.+)", ("shut {x}", "make {x} closed")),
    (r"push (?P<x>.+)", ("shove {x}", "move {x} by pushing it")),
    (r"pull (?P<x>.+)", ("drag {x}", "tug {x}")),
    (r"press (?P<x>.+)", ("push {x} down", "depress {x}")),
    (r"reach (?P<x>.+)", ("move to {x}", "go to {x}")),
    (r"turn on (?P<x>.+)", ("switch on {x}", "switch {x} on")),
    (r"turn off (?P<x>.+)", ("switch off {x}", "switch {x} off")),
    (r"move (?P<x>.+)", ("shift {x}", "bring {x}")),
)
"""Patterns of instructions and their paraphrases; the first match is used."""
FRAMES = ("{said}", "could you {said}", "I would like you to {said}", "your task: {said}")
WITHOUT_A_VERB = FRAMES[1:]
_POLITE = re.compile(r"^(?:please|now|then)\s+|[.!\s]+$", re.IGNORECASE)


def paraphrase(instruction: str) -> str:
    """A paraphrase of an instruction, always the same for the same instruction.

    Only a verb in the table is replaced, never an object's name, so the task is unchanged.
    """
    said = _POLITE.sub("", _POLITE.sub("", instruction.strip()))
    choice = int.from_bytes(hashlib.sha256(instruction.encode()).digest()[:8], "big")
    for pattern, others in VERBS:
        if found := re.fullmatch(pattern, said, re.IGNORECASE):
            verb = others[choice % len(others)].format(**found.groupdict())
            return FRAMES[choice // len(others) % len(FRAMES)].format(said=verb)
    return WITHOUT_A_VERB[choice % len(WITHOUT_A_VERB)].format(said=said)
