"""What int8 and int4 weights change: how many numbers of how many actions, and how many bytes they take.

The same prompts and images go through the model once for each way to hold its weights, and the actions are compared
number by number with those of the first way.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from rt_vla_ros.action_space.card import ActionCard
from rt_vla_ros.benchmarks.rt2_shapes import Shape, make_parts
from rt_vla_ros.observations.image import fit_image
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.rt2.loading.quantization import (
    QUANTIZED,
    check_quantization,
    number_type,
    quantize,
    weight_bytes,
)
from rt_vla_ros.policies.rt2.policy import RT2Policy

INSTRUCTIONS = (
    "pick up the red cube",
    "put the green ball into the bowl",
    "move the cup to the left",
    "open the top drawer",
    "stack the blue block on the yellow one",
)
PICTURES = (".png", ".jpg", ".jpeg")

Prompt = tuple[str, Observation]


@dataclass(frozen=True)
class Held:
    """One way to hold the weights.

    bytes: of all weights. numbers, actions: how many differ from the first way's. distance: mean difference of a number
    [bins]. confidence: mean of the actions' own. milliseconds: an action, median.
    """

    weights: str
    bytes: int
    numbers: int
    actions: int
    distance: float
    confidence: float
    milliseconds: float


def compare(
    load: Callable[[str], RT2Policy], ways: Sequence[str], prompts: Callable[[ActionCard], list[Prompt]]
) -> dict[str, Any]:
    """Figures of each way, the first of which is what the others are compared with.

    load: gives the policy with its weights held so. prompts: for a card. One model is in memory at a time.
    """
    held: list[Held] = []
    expected = np.zeros((0, 0), dtype=np.int64)  # (prompts, dimensions)
    for weights in ways:
        policy = load(weights)
        size = weight_bytes(policy.parts.model)
        found, confidences, seconds = _play(policy, prompts(policy.card))
        expected = found if not held else expected
        other = found != expected
        milliseconds, distance = 1000 * statistics.median(seconds), float(np.abs(found - expected).mean())
        confidence, actions = statistics.mean(confidences), int(other.any(axis=1).sum())
        held.append(Held(weights, size, int(other.sum()), actions, distance, confidence, milliseconds))
        del policy
    return {"prompts": expected.shape[0], "dimensions": expected.shape[1], "ways": [asdict(way) for way in held]}


def make_prompts(
    card: ActionCard, count: int, *, folder: Path | None = None, instructions: Sequence[str] = ()
) -> list[Prompt]:
    """Instructions and images for every camera of a card, the same every time.

    folder: of pictures, taken in the order of their names; None: seeded blocks of colour. instructions: taken by turns.
    Raises ValueError for a folder without pictures and for one that cannot be read.
    """
    files = [] if folder is None else _pictures(folder)
    said = instructions or INSTRUCTIONS
    prompts = []
    for number in range(count):
        images = {}
        for i, camera in enumerate(card.cameras):
            if files:
                images[camera.name] = fit_image(_picture(files[(number + i) % len(files)]), camera)
            else:
                images[camera.name] = _blocks(number * len(card.cameras) + i, camera.height, camera.width)
        prompts.append((said[number % len(said)], Observation(images, 0.0)))
    return prompts


def shape_policy(shape: Shape, weights: str, device: torch.device) -> RT2Policy:
    """A model of this shape with random weights, held so. Raises WeightsError."""
    check_quantization(weights, device)
    number = number_type(weights, device)
    parts = make_parts(shape, torch.device("cpu") if weights in QUANTIZED else device, number)
    if weights in QUANTIZED:
        quantize(parts.model, weights, device)
    return RT2Policy(parts)


def table(figures: dict[str, Any]) -> str:
    """The figures for people."""
    prompts, numbers = figures["prompts"], figures["prompts"] * figures["dimensions"]
    first = figures["ways"][0]
    lines = [
        f"{prompts} prompts, {numbers} numbers; what differs is counted from {first['weights']}",
        f"  {'weights':10}{'bytes':>16}{'share':>8}{'numbers':>9}{'actions':>9}{'distance':>10}{'sure':>7}{'ms':>9}",
    ]
    for way in figures["ways"]:
        share = way["bytes"] / first["bytes"]
        lines.append(
            f"  {way['weights']:10}{way['bytes']:>16,}{share:>8.2f}{way['numbers']:>9}{way['actions']:>9}"
            f"{way['distance']:>10.2f}{way['confidence']:>7.2f}{way['milliseconds']:>9.1f}"
        )
    return "\n".join(lines)


def _play(policy: RT2Policy, prompts: Sequence[Prompt]) -> tuple[NDArray[np.int64], list[float], list[float]]:
    tokens, confidences, seconds = [], [], []
    policy.reset(prompts[0][0])
    policy.act(prompts[0][1])  # the first one is slow
    for instruction, observation in prompts:
        policy.reset(instruction)
        begin = time.perf_counter()
        action = policy.act(observation)
        seconds.append(time.perf_counter() - begin)
        tokens.append(action.tokens)
        confidences.append(action.confidence)
    return np.array(tokens, dtype=np.int64), confidences, seconds


def _blocks(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    whole = np.repeat(np.repeat(blocks, -(-height // 6), axis=0), -(-width // 6), axis=1)
    return np.ascontiguousarray(whole[:height, :width])


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}.")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if not files:
        raise ValueError(f"There is no picture in {folder} (*{', *'.join(PICTURES)}).")
    return files


def _picture(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise ValueError(f"{path} is no picture: {error}") from error
