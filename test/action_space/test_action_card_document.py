"""docs/action_card.md shows a card that loads, and explains every key of it."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path

from rt_vla_ros.action_space.card import CROPS, QUANTIZATIONS, ActionCard, ActionDimension, CameraSpec
from rt_vla_ros.action_space.state import SOURCES, StateDimension

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "action_card.md"


def test_the_card_in_the_document_is_a_card() -> None:
    block, base, state = re.findall(r"```json\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    data = json.loads(block)
    card = ActionCard.from_dict(data | json.loads(f"{{{state}}}"))
    assert (card.control_rate, card.state[2].sign, card.moves_base) == (5, -1, False)
    mobile = ActionCard.from_dict(data | {"dimensions": [*json.loads(f"[{base}]"), *data["dimensions"][1:]]})
    assert (mobile.moves_base, mobile.base_mode) == (True, 2)


def test_the_document_explains_every_key_and_choice() -> None:
    rows = "\n".join(line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `"))
    keys = [field.name for kind in (ActionCard, ActionDimension, CameraSpec, StateDimension) for field in fields(kind)]
    missing = [key for key in (*keys, *CROPS, *QUANTIZATIONS) if not re.search(rf"[`.]{key}`", rows)]
    assert not missing
    heads = {source.partition(":")[0] for source in SOURCES.replace(" or ", ", ").split(", ")}
    assert all(re.search(rf"\| .*`{head}[:`]", rows) for head in heads)
