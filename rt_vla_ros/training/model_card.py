"""The README beside a checkpoint: what it is, where it comes from, what was measured, what it cannot do."""

from __future__ import annotations

import platform
from collections.abc import Sequence

import torch

from rt_vla_ros.evaluation.evaluate import Evaluation
from rt_vla_ros.sim.suites import FIRST_TRAINING_SEED
from rt_vla_ros.training.recipe import Recipe
from rt_vla_ros.training.recipe_settings import command, network_config

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

Each row: `rt-vla evaluate --policy CHECKPOINT --suite SUITE --episodes N --seed SEED`{digest}. Success means that the
named object, and no other, is held 5 cm above the table for a second when the policy terminates, or after 20 s.
Training draws its scenes' seeds from 2^{first_seed} up, so none of these tables was seen before. What else it has not
seen, and what these figures can therefore say, is in `DATA_CARD.md`.

## How it was trained

`{command}`

Continuous DAgger: a scripted expert, a function of the simulator's state, says for every state that the policy
gets into what were right. {steps:,} steps; {images:,} images were learned from, {frames:,} of them different, in
{minutes:.0f} minutes of wall time: one process of {threads} thread(s) learned and {collectors} played, on a CPU
({machine}).
Heads that predict where target and tool are helped in training and are not part of the checkpoint.
{words}
What the episodes were is in `DATA_CARD.md`.

## What it cannot do

- It knows one skill, picking up one of the table's objects, and the words of that: colours red, orange, yellow, green,
  cyan, blue, purple; shapes {shapes}. Words it has never heard mean nothing to it: it will
  pick something, or stand still.
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
    collectors: int,
    seconds: float,
    evaluations: Sequence[Evaluation] = (),
    sha256: str | None = None,
) -> str:
    """Markdown with the front matter that the Hugging Face Hub reads. sha256: of the weights that were evaluated."""
    return TEXT.format(
        name=recipe.preset,
        parameters=parameters / 1e6,
        window=window,
        size=network_config(recipe).image_size,
        steps=steps,
        table=_table(evaluations),
        digest=f", on weights with the SHA-256\n`{sha256}`" if sha256 else "",
        first_seed=FIRST_TRAINING_SEED.bit_length() - 1,
        command=command(recipe_name, recipe, seed, collectors),
        images=images,
        frames=frames,
        minutes=seconds / 60,
        threads=torch.get_num_threads(),
        collectors=collectors,
        machine=platform.machine(),
        words=_words(recipe),
        shapes="cube (block, box), cylinder (can, tube), ball (sphere)" if recipe.wording else "cube, cylinder, ball",
    )


def _words(recipe: Recipe) -> str:
    if recipe.language:
        return "Sentences are vectors of a table that comes with the checkpoint; another sentence is refused."
    said = "Sentences were shortened and shapes called by other names at random.\n" if recipe.wording else ""
    return said + "At the end the vectors of words that training never had were set to zero: such words do not count."


def _table(evaluations: Sequence[Evaluation]) -> str:
    if not evaluations:
        return "Nothing yet."
    rows = [
        "| suite | seed | episodes | success | 95% interval | wrong object | drop | stopped early | timeout |",
        "|---|" + "---|" * 8,
    ]
    for result in evaluations:
        low, high = result.interval
        outcomes = result.outcomes
        rows.append(
            f"| {result.suite} | {result.seed} | {len(result.episodes)} | {result.success_rate:.1%} "
            f"| {low:.1%} to {high:.1%} | {outcomes['wrong_object']} | {outcomes['drop']} "
            f"| {outcomes['stopped_early']} | {outcomes['timeout']} |"
        )
    return "\n".join(rows)
