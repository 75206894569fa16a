"""The data card of episodes that were collected in a benchmark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED

TEXT = """\
# {title}

{origin}

## Time steps

{cameras}, the instruction, and the action of the benchmark's scripted expert for it, for {period:g} s: what the expert
does in that time if it acts alone, with displacements added up and the gripper command averaged (`action_card.json`).
{acted}

## Contents

| task | instruction | episodes | time steps | successes | left out |
|---|---|---|---|---|---|
{rows}

{left_out}

## Starts

Episodes have seeds from 2^{first_seed} up, whose starts do not occur in `rt-vla evaluate`. The environment was
{versions}.
"""
EXPERT = """\
The executed actions were perturbed, so the labels show how to recover. An attempt in which the expert failed is left
out."""
POLICY = """\
A policy acted, perturbed, and the expert labeled each state that it visited. Failed episodes are kept: the labels are
correct in them, too."""


def benchmark_card(
    rows: Sequence[Mapping[str, Any]],
    left_out: Mapping[int, str],
    *,
    title: str,
    origin: str,
    card: ActionCard,
    versions: Mapping[str, str],
    by_policy: bool,
) -> str:
    """Markdown. rows: of the dataset's episodes. left_out: task of each attempt that is no episode of it."""
    gone, tasks = Counter(left_out.values()), dict.fromkeys([*(str(row["suite"]) for row in rows), *left_out.values()])
    lines = []
    for task in tasks:
        own = [row for row in rows if row["suite"] == task]
        steps, successes = sum(int(row["length"]) for row in own), sum(bool(row["success"]) for row in own)
        words = ", ".join(dict.fromkeys(str(sentence) for row in own for sentence in row["tasks"]))
        lines.append(f"| `{task}` | {words} | {len(own):,} | {steps:,} | {successes:,} | {gone[task]:,} |")
    size = ", ".join(f"{one.name} ({one.width}x{one.height} pixels)" for one in card.cameras)
    return TEXT.format(
        title=title,
        origin=origin,
        cameras=f"RGB images of {size}",
        period=card.period,
        acted=POLICY if by_policy else EXPERT,
        rows="\n".join(lines),
        left_out=f"{len(left_out):,} of {len(rows) + len(left_out):,} attempts are left out; `meta/left_out.jsonl` "
        "has their reasons."
        if left_out
        else "No attempt was left out.",
        first_seed=FIRST_TRAINING_SEED.bit_length() - 1,
        versions=", ".join(f"{name} {one}" for name, one in versions.items()),
    )
