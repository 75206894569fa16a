"""The README and the data card of `rt2-mini`."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from rt_vla_ros.sim.cards import SYMBOLS
from rt_vla_ros.sim.word_suites import ROBOT_KINDS, THING_KINDS, WEB_ONLY_KINDS
from rt_vla_ros.training.rt2.cards_of_fine_tuning import forgetting_table
from rt_vla_ros.training.rt2.mini.collector import FRAMES, WEB, shards, whose
from rt_vla_ros.training.rt2.mini.settings import MiniSettings

MODEL_TEXT = """\
---
library_name: transformers
license: apache-2.0
tags: [robotics, rt-2, vision-language-action]
---

# rt2-mini

An RT-2 of {parameters:.2f} M parameters: a vision-language model (transformers' FastVLM: a ResNet and an OPT) that
outputs actions as text at 5 Hz and answers questions about the table. Its inputs are the camera `front` (96x96 pixels)
and an instruction. It was {start} and {learned}.{plans}

## Results

{measured}

Step {row[step]:,}: loss {row[training]:.3f}.

## Forgetting

{alone}{forgetting}

## Training

`{command}`

- {row[step]:,} steps of {batch_size} frames, each with up to ten questions or instructions in one row,
  {minutes:.1f} minutes of wall time on {machine}, {frames}.
- One loss, the cross-entropy of answers; for numbers, neighboring values count as well. Auxiliary losses in training
  only, because the scene is known: one attention head is supervised with the position of the named object, another with
  that of the tool, and linear readouts with the content of each image position and the positions of target and tool
  (training/rt2/mini/losses.py). RT-2 has none of these.
- Settings: {settings}.

## Limitations

- It was trained on this simulator's table, camera and gripper, with one skill and a fixed vocabulary; other words are
  read as `<unk>`. It is not suited for a real arm.
- It does not notice if the named object is missing.
"""
NOT_MEASURED = "No success rate yet. Measure it with `rt-vla evaluate --policy CHECKPOINT --suite SUITE`."
PLANS = """

On request it writes a plan before it acts ("pick red cube at 120 88", a position in 0 ... 255 from the left and
from the top): `rt-vla demo --policy CHECKPOINT --plan`, `rt-vla evaluate --policy CHECKPOINT --plan`, or `plan:=true`
in policy.launch.py."""
DATA_TEXT = """\
# Training data of rt2-mini

All of it is rendered by `{command}`, into the directory `{folder}` of its run; scene seeds differ
from those of evaluations.{other}

| kind | frames rendered so far |
|---|---|
| web: images of tables with questions | {web:,} |
| robot: images and frames of episodes, labeled by a scripted expert for every object on the table | {robot:,} |

- Web images have all {kinds} kinds of objects, cards with symbols ({symbols}), and questions that also use synonyms of
  shapes, generic names ({things}), categories and comparisons.
- Three of ten tables have other colors, lighting and camera poses, as in the training suites.
- Robot frames have {robot_kinds} kinds of objects only: never {web_only}; no cards, and instructions
  with the objects' colors and shapes, with the part of these that is unique ("lift the ball"), or with the position
  in the image ("get the object at 120 88") (training/rt2/mini/instructions.py).{questions}
- In episodes the expert acts, and from step {learner_after:,} on also the policy, with every state labeled by the
  expert (DAgger). The first {shard} web images are held out.
"""


OTHER_RUN = """

They were rendered for a different run, whose policy acted in the episodes: `{command}`."""
QUESTIONS = """
- Robot frames also have questions with answers, in the words of robot data and of questions ("where is", "thing")."""


def model_card_text(
    settings: MiniSettings,
    rows: Sequence[Mapping[str, Any]],
    model: PreTrainedModel,
    *,
    collectors: int = 1,
    measured: str = NOT_MEASURED,
) -> str:
    """Markdown with front matter for the Hugging Face Hub.

    rows: of the run log. model: on its training device. collectors: number of rendering processes.
    """
    beside = "a rendering process" if collectors == 1 else f"{collectors} rendering processes"
    return MODEL_TEXT.format(
        parameters=sum(parameter.numel() for parameter in model.parameters()) / 1e6,
        start=f"initialized from the weights of `{settings.init_from}`"
        if settings.init_from
        else "initialized randomly",
        learned=_learned(settings),
        plans=PLANS if settings.acts and settings.plan_share else "",
        measured=measured,
        row={"training": float("nan"), **rows[-1]},
        alone=f"The first {settings.web_steps:,} steps use web data only.\n\n" if settings.web_steps else "",
        forgetting=forgetting_table(rows),
        command=settings.command,
        batch_size=settings.batch_size,
        minutes=rows[-1]["seconds"] / 60,
        machine=_machine(model.device),
        frames="on frames rendered by another run" if settings.frames_from else f"in one process next to {beside}",
        settings=", ".join(f"{key} {value}" for key, value in asdict(settings).items() if value != ""),
    )


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return f"one {torch.cuda.get_device_name(device)}"
    return f"the CPU ({platform.machine()})"


def _learned(settings: MiniSettings) -> str:
    if not settings.acts:
        return "trained on rendered images with questions, without actions"
    if settings.robot_share == 1 and not settings.web_steps:
        return "trained on robot data only"
    return "co-fine-tuned on rendered images with questions and on robot data"


def data_card_text(settings: MiniSettings, run: Path) -> str:
    """Markdown."""
    made, of = settings.of_frames(run), [whose(path) for path in shards(settings.rendered_in(run)).values()]
    return DATA_TEXT.format(
        command=made.command,
        folder=FRAMES,
        other=OTHER_RUN.format(command=settings.command) if settings.frames_from else "",
        questions=QUESTIONS if settings.robot_questions else "",
        web=made.shard * of.count(WEB),
        robot=made.shard * sum(of.count(robot.name) for robot in settings.robots),
        kinds=len(ROBOT_KINDS) + len(WEB_ONLY_KINDS),
        robot_kinds=len(ROBOT_KINDS),
        symbols=", ".join(SYMBOLS),
        things=", ".join(THING_KINDS),
        web_only=", ".join(kind.name for kind in WEB_ONLY_KINDS),
        learner_after=made.learner_after,
        shard=made.shard,
    )
