"""Every command line in the documentation is one that the programs accept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from support.documented_commands import ROOT, CommandLine, WrongCommand, check, command_lines, split

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "rt_vla_ros").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_line_is_accepted(page: Path) -> None:
    wrong = []
    for line in command_lines(page.read_text()):
        try:
            check(line)
        except WrongCommand as error:
            wrong.append(f"{' '.join(line.words)}\n    {error}")
    assert not wrong, "\n".join(wrong)


def test_the_pages_have_commands_of_every_kind() -> None:
    checked: Counter[str] = Counter()
    for page in PAGES:
        for line in command_lines(page.read_text()):
            checked[line.words[0]] += check(line)
    assert checked["./rt-vla"] > 40
    assert checked["rt-vla"] > 10
    assert checked["ros2"] >= 3
    assert checked["torchrun"] == checked["accelerate"] == 1


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("./rt-vla demo      # a comment", ["./rt-vla demo"]),
        ("OMP_NUM_THREADS=1 A_B=c rt-vla bench rt2 2> log", ["rt-vla bench rt2"]),
        (
            "cd here && rt-vla doctor | head -3 > out; ./rt-vla test",
            ["cd here", "rt-vla doctor", "head -3", "./rt-vla test"],
        ),
    ],
)
def test_shell_lines_are_split(line: str, words: list[str]) -> None:
    assert [" ".join(command) for command in split(line)] == words


def test_continued_lines_and_inline_code_are_found() -> None:
    page = "Say `rt-vla\ndoctor`.\n```sh\n./rt-vla demo \\\n    --seed 3\n```\n```python\nrt-vla nothing\n```\n"
    assert list(command_lines(page)) == [
        CommandLine(("./rt-vla", "demo", "--seed", "3"), False),
        CommandLine(("rt-vla", "doctor"), True),
    ]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("rt-vla dmeo", "no command 'dmeo'"),
        ("./rt-vla demo --sed 3", "unrecognized arguments: --sed 3"),
        ("./rt-vla demo --seed red", "invalid int value"),
        ("./rt-vla --yes demo --weight x", "unrecognized arguments"),
        ("./rt-vla evaluate --ablation deafness", "invalid choice"),
        ("./rt-vla evaluate --episode ... --seed 1", "unrecognized arguments: --episode"),
        ("rt-vla bench rt3", "invalid choice"),
        ("rt-vla embed TEXT", "required: --encoder, --to"),
        ("torchrun -m rt_vla_ros.cli train rt1 --out x --dta y", "unrecognized arguments"),
        ("./rt-vla launch polcy.launch.py", "no launch file polcy.launch.py"),
        ("./rt-vla launch policy.launch.py weight:=int8", "no argument 'weight'"),
        ("ros2 launch rt_vla_ros policy.launch.py arm:=none weights:=int3", "weights is 'int3'"),
        ("ros2 run rt_vla_ros policy_nod", "names no node"),
        ("ros2 run rt_vla_ros policy_node --ros-args -p polcy:=x", "no parameter 'polcy'"),
        ("ros2 run rt_vla_ros policy_node --ros-args -p weights:=int3", "cannot be 'int3'"),
        ("ros2 param set /smoother_node dry_run 3", "cannot be '3'"),
        ("./rt-vla param get /smoother_node dry_runn", "no parameter 'dry_runn'"),
        ("./rt-vla test test/contrl", "there is no test/contrl"),
    ],
)
def test_a_wrong_command_line_is_refused(line: str, reason: str) -> None:
    (words,) = split(line)
    with pytest.raises(WrongCommand, match=reason):
        check(CommandLine(words, False))


@pytest.mark.parametrize("code", ["rt-vla evaluate --weight", "polcy:=rt1-mini"])
def test_a_wrong_mention_is_refused(code: str) -> None:
    (words,) = split(code)
    with pytest.raises(WrongCommand):
        check(CommandLine(words, True))
