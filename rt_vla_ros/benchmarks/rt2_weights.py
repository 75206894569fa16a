"""Effect of int8 and int4 weights: how many numbers and actions change, and their size.

The model runs on the same prompts and images in every number format, and the actions are compared number by number
with those of the first format.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from rt_vla_ros.action_space.card import ActionCard, CameraSpec
from rt_vla_ros.benchmarks.rt2_shapes import ModelShape, make_parts
from rt_vla_ros.observations.image import fit_image
from rt_vla_ros.observations.observation import Observation
from rt_vla_ros.policies.rt2.loading import quantization
from rt_vla_ros.policies.rt2.policy import RT2Policy

INSTRUCTIONS: tuple[str, ...] = ("pick up the red cube", "put the green ball into the bowl", "move the cup to the left")
INSTRUCTIONS += ("open the top drawer", "stack the blue block on the yellow one")
PICTURES = (".png", ".jpg", ".jpeg")
ROW = "  {weights:10}{bytes:>16,}{share:>8.2f}{numbers:>9}{actions:>9}{distance:>10.2f}{confidence:>7.2f}"
ROW += "{milliseconds:>9.1f}"

Prompt = tuple[str, Observation]


def compare(
    load: Callable[[str], RT2Policy], ways: Sequence[str], prompts: Callable[[ActionCard], list[Prompt]]
) -> dict[str, Any]:
    """Results for each number format; the first one is the reference.

    load: opens the policy in a number format. prompts: for a card. One model is in memory at a time.
    For each format, bytes: of all weights. numbers, actions: number that differ from the first format's. distance: mean
    difference of a number [bins]. confidence: mean of the actions' own. milliseconds: an action, median.
    """
    formats: list[dict[str, Any]] = []
    expected = np.zeros((0, 0), dtype=np.int64)  # (prompts, dimensions)
    for weights in ways:
        policy = load(weights)
        size = quantization.weight_bytes(policy.parts.model)
        found, confidences, seconds = _measure(policy, prompts(policy.card))
        expected = expected if formats else found
        other, distance = found != expected, float(np.abs(found - expected).mean())
        row = {"weights": weights, "bytes": size, "numbers": int(other.sum()), "actions": int(other.any(axis=1).sum())}
        row |= {"distance": distance, "confidence": statistics.mean(confidences)}
        formats.append({**row, "milliseconds": 1000 * statistics.median(seconds)})
        del policy
    return {"prompts": expected.shape[0], "dimensions": expected.shape[1], "formats": formats}


def make_prompts(
    card: ActionCard, count: int, *, folder: Path | None = None, instructions: Sequence[str] = ()
) -> list[Prompt]:
    """Deterministic instructions and images for every camera of a card.

    folder: of images, used in the order of their names; None: seeded blocks of color. instructions: used in turn.
    Raises ValueError for a folder without images and for an unreadable image.
    """
    files = [] if folder is None else _pictures(folder)
    texts = instructions or INSTRUCTIONS
    prompts = []
    for number in range(count):
        images = {}
        for i, camera in enumerate(card.cameras):
            seed, file = number * len(card.cameras) + i, files[(number + i) % len(files)] if files else None
            images[camera.name] = fit_image(_picture(file), camera) if file else _blocks(seed, camera)
        prompts.append((texts[number % len(texts)], Observation(images, 0.0)))
    return prompts


def shape_policy(shape: ModelShape, weights: str, device: torch.device) -> RT2Policy:
    """A model of this shape with random weights in a number format. Raises WeightsError."""
    quantization.check_quantization(weights, device)
    where = torch.device("cpu") if weights in quantization.QUANTIZED else device
    parts = make_parts(shape, where, quantization.number_type(weights, device))
    if weights in quantization.QUANTIZED:
        quantization.quantize(parts.model, weights, device)
    return RT2Policy(parts)


def table(figures: dict[str, Any]) -> str:
    """The results as text."""
    prompts, numbers = figures["prompts"], figures["prompts"] * figures["dimensions"]
    first = figures["formats"][0]
    lines = [
        f"{prompts} prompts, {numbers} numbers; differences are relative to {first['weights']}",
        f"  {'weights':10}{'bytes':>16}{'share':>8}{'numbers':>9}{'actions':>9}{'distance':>10}{'conf.':>7}{'ms':>9}",
    ]
    lines += [ROW.format(share=way["bytes"] / first["bytes"], **way) for way in figures["formats"]]
    return "\n".join(lines)


def _measure(policy: RT2Policy, prompts: Sequence[Prompt]) -> tuple[NDArray[np.int64], list[float], list[float]]:
    tokens, confidences, seconds = [], [], []
    policy.reset(prompts[0][0])
    policy.act(prompts[0][1])  # warm-up
    for instruction, observation in prompts:
        policy.reset(instruction)
        begin = time.perf_counter()
        action = policy.act(observation)
        seconds.append(time.perf_counter() - begin)
        tokens.append(action.tokens)
        confidences.append(action.confidence)
    return np.array(tokens, dtype=np.int64), confidences, seconds


def _blocks(seed: int, camera: CameraSpec) -> NDArray[np.uint8]:
    height, width = camera.height, camera.width
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    whole = np.repeat(np.repeat(blocks, -(-height // 6), axis=0), -(-width // 6), axis=1)
    return np.ascontiguousarray(whole[:height, :width])


def _pictures(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}.")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if not files:
        raise ValueError(f"There are no images in {folder} (*{', *'.join(PICTURES)}).")
    return files


def _picture(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("RGB"))
    except (OSError, UnidentifiedImageError) as error:
        raise ValueError(f"{path} is not an image: {error}") from error
