"""The action card of a recording or a dataset: a file, or a directory that has one."""

from __future__ import annotations

from pathlib import Path

from rt_vla_ros.action_space.card import CARD_FILE, ActionCard, ActionCardError
from rt_vla_ros.data.card_template import unfilled
from rt_vla_ros.data.lerobot_layout import META
from rt_vla_ros.json_file import read_object

CONFIRM = "TO CONFIRM: "
"""The prefix of an unconfirmed guess in a card's notes and in a topic map."""


def read_card(path: Path) -> ActionCard:
    """path: a card, or the directory of a card, checkpoint or dataset. Raises ActionCardError, OSError."""
    for directory in (path, path / META):
        if (directory / CARD_FILE).is_file():
            path = directory / CARD_FILE
            break
    if not path.is_file():
        raise ActionCardError(f"There is no action card {path}: name a file, or a directory with {CARD_FILE}.")
    data = read_object(path, ActionCardError)
    missing = unfilled(data)
    if missing:
        where = ", ".join(missing)
        raise ActionCardError(f"{path} has question marks at {where}: replace them by values, or remove them.")
    try:
        return ActionCard.from_dict(data)
    except ActionCardError as error:
        raise ActionCardError(f"{path}: {error}") from error
