"""The action card that a recording is made by: a file, or a directory that has one."""

from __future__ import annotations

from pathlib import Path

from rt_vla_ros.action_space.card import CARD_FILE, ActionCard, ActionCardError
from rt_vla_ros.json_file import read_object

CONFIRM = "TO CONFIRM: "
"""How a guess begins, in a card's notes and in a topic map, that nobody has looked at yet."""


def read_card(path: Path) -> ActionCard:
    """path: a card, or the directory of a checkpoint, or `meta` of a dataset. Raises ActionCardError, OSError."""
    if path.is_dir():
        return ActionCard.load(path)
    if not path.is_file():
        raise ActionCardError(f"There is no action card {path}: name a file, or a directory with {CARD_FILE}.")
    try:
        return ActionCard.from_dict(read_object(path, ActionCardError))
    except ActionCardError as error:
        raise ActionCardError(f"{path}: {error}") from error
