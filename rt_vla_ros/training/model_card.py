"""The README beside a checkpoint: what it is, where it comes from, what was measured, what it cannot do."""

from __future__ import annotations

import platform
import shlex
from collections.abc import Sequence

import torch

from rt_vla_ros.evaluation.evaluate import Evaluation
from rt_vla_ros.training.recipe import FIRST_SEED, RECIPES, Recipe
from rt_vla_ros.training.recipe_settings import changes, network_config

TEXT = """\
---
library_name: transformers
license: apache-2.0
tags: [robotics, rt-1, vision-language-action]
---

# {name}

A small RT-1 ({parameters:.1f} M parameters): {window} camera images and a sentence in, six action tokens out, five
times a second. It sees the front camera ({size}x{size} pixels) and the instruction, and nothing else. Trained from
nothing by this project, on its simulated Franka Panda, with no data from elsewhere.

## What was measured

{table}

Each row: `rt-vla evaluate --policy {name} --suite SUITE --episodes N --seed SEED`{digest}. Success means that the named
object, and no other, is held 5 cm above the table for a second when the policy terminates, or after 20 s. Training
draws its scenes' seeds from 2^{first_seed} up, so none of these tables was seen before; `unseen` adds combinations and
phrasings, `backgrounds` tables, light and camera positions that training has not.

## How it was trained

`rt-vla train rt1 --recipe {recipe_name} --seed {seed} --out DIR{settings}`

Continuous DAgger: a scripted expert, a function of the simulator's state, says for every state that the policy
gets into what were right. {steps:,} steps; {images:,} images were learned from, {frames:,} of them different, in
{minutes:.0f} minutes of wall time on {machine}.
Heads that predict where target and tool are helped in training and are not part of the checkpoint. Sentences were
shortened and shapes called by other names at random; at the end the vectors of words that training never had were set
to zero, and such words do not count. What the episodes were is in `DATA_CARD.md`.

## What it cannot do

- It knows one skill, picking up one of the table's objects, and the words of that: colours red, orange, yellow, green,
  cyan, blue, purple; shapes cube (block, box), cylinder (can, tube), ball (sphere). Words it has never heard mean
  nothing to it: it will pick something, or stand still.
- It has only ever seen this simulator's table, camera, light and gripper. It is no policy for a real arm.
- It does not notice that what was named is not there.
"""


def model_card(
    recipe_name: str,
    recipe: Recipe,
    *,
    seed: int,
    parameters: int,
    window: int,
    steps: int,
    images: int,
    frames: int,
    seconds: float,
    evaluations: Sequence[Evaluation] = (),
    sha256: str | None = None,
) -> str:
    """Markdown with the front matter that the Hugging Face Hub reads. sha256: of the weights that were evaluated."""
    settings = "".join(f" --set {shlex.quote(change)}" for change in changes(recipe, RECIPES[recipe_name]))
    return TEXT.format(
        name=recipe.preset,
        parameters=parameters / 1e6,
        window=window,
        size=network_config(recipe).image_size,
        steps=steps,
        table=_table(evaluations),
        digest=f", on weights with the SHA-256\n`{sha256}`" if sha256 else "",
        first_seed=FIRST_SEED.bit_length() - 1,
        recipe_name=recipe_name,
        seed=seed,
        images=images,
        frames=frames,
        minutes=seconds / 60,
        machine=f"{torch.get_num_threads()} thread of a {platform.machine()} CPU, with a second one playing episodes",
        settings=settings,
    )


def _table(evaluations: Sequence[Evaluation]) -> str:
    if not evaluations:
        return "Nothing yet."
    rows = [
        "| suite | seed | episodes | success | 95% interval | wrong object | drop | timeout |",
        "|---|" + "---|" * 7,
    ]
    for result in evaluations:
        low, high = result.interval
        outcomes = result.outcomes
        rows.append(
            f"| {result.suite} | {result.seed} | {len(result.episodes)} | {result.success_rate:.1%} "
            f"| {low:.1%} to {high:.1%} | {outcomes['wrong_object']} | {outcomes['drop']} | {outcomes['timeout']} |"
        )
    return "\n".join(rows)
