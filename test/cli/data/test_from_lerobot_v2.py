from __future__ import annotations

from pathlib import Path

import pytest
from support.lerobot_v21 import copy_v21, fill_in

from rt_vla_ros.cli.main import main


def test_from_the_hub_to_a_dataset_in_two_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new, card = copy_v21("video", tmp_path / "old"), tmp_path / "new", tmp_path / "new.card.json"
    convert = ["data", "from-lerobot-v2", str(old), "--out", str(new)]
    assert main(convert) == 2
    error = capsys.readouterr().err
    assert f"{old} does not define what its actions mean. Fill in the 23 question marks in {card}" in error
    assert main(convert) == 2
    assert f"{card} already exists; fill it in" in capsys.readouterr().err
    assert main([*convert, "--card", str(card)]) == 2
    assert "new.card.json has question marks at dimensions[0].role, dimensions[0].unit" in capsys.readouterr().err
    fill_in(card)
    assert main([*convert, "--card", str(card)]) == 0
    assert capsys.readouterr().out.endswith(f"{new}: 3 episodes, 21 frames.\n")
    assert main([*convert, "--card", str(card)]) == 2
    assert f"{new} already exists; choose a new directory" in capsys.readouterr().err
    assert main(["data", "from-lerobot-v2", str(old), "--card", str(new), "--out", str(tmp_path / "again")]) == 0
