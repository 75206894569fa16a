"""Shares of the sources in a mixture: three ways to specify them, and conversions.

Probability: p_i of the samples come from source i. Repetition: source i is read r_i times per mixture, p_i = n_i r_i /
sum n_j r_j. Temperature: p_i = n_i^(1/T) / sum n_j^(1/T); T = 1 is "by size", which is one repetition of each, and T =
infinity is "uniform". n_i are the sizes. The formula is the one of T5 (arXiv:1910.10683, section 3.5.2, whose limit on
the sizes is not applied here) and mT5 (arXiv:2010.11934, which writes alpha for 1/T).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping

from rt_vla_ros.data.episode import DatasetError

ROBOT_SHARE = 0.5
"""RT-2-PaLI-X's; RT-2-PaLM-E's is 0.66 (arXiv:2307.15818, appendix B)."""
NEAR = 1e-6  # how far shares that somebody has written down may be from a sum of 1


class MixtureError(DatasetError):
    """The mixture is invalid; the message says why and what to do."""


def explicit_shares(texts: Iterable[str]) -> dict[str, float]:
    """Parse "NAME=0.2". Raises MixtureError."""
    shares: dict[str, float] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        try:
            share = float(number)
        except ValueError:
            name, share = "", 0.0
        if not name:
            raise MixtureError(f"Expected a share as NAME=0.2, got {text!r}.")
        if name in shares:
            raise MixtureError(f"The share of {name!r} is given twice.")
        _check_share(name, share)
        shares[name] = share
    return shares


def by_probability(probabilities: Mapping[str, float]) -> dict[str, float]:
    """The shares, normalized within rounding to the sum 1. Raises MixtureError."""
    for name, share in probabilities.items():
        _check_share(name, share)
    total = math.fsum(probabilities.values())
    if abs(total - 1) > NEAR:
        written = " + ".join(f"{name} {share:g}" for name, share in probabilities.items()) or "no share at all"
        raise MixtureError(f"The shares of a mixture must sum to 1; {written} = {total:g}.")
    return {name: share / total for name, share in probabilities.items()}


def by_repetition(sizes: Mapping[str, int], repetitions: Mapping[str, float]) -> dict[str, float]:
    """repetitions: number of passes over each source, per pass over the mixture. Raises MixtureError."""
    _check_names(repetitions, sizes)
    missing = [name for name in sizes if name not in repetitions]
    if missing:
        raise MixtureError(f"The repetitions of {', '.join(missing)} are missing.")
    _check_sizes(sizes)
    for name, times in repetitions.items():
        if not (math.isfinite(times) and times >= 0):
            raise MixtureError(f"The repetitions of {name!r} must be a number of at least 0, got {times}.")
    return _normal({name: size * repetitions[name] for name, size in sizes.items()})


def by_temperature(sizes: Mapping[str, int], temperature: float) -> dict[str, float]:
    """temperature: more than 0; 1: by size; infinity: uniform. Raises MixtureError."""
    _check_sizes(sizes)
    if math.isnan(temperature) or temperature <= 0:
        raise MixtureError(f"The temperature must be more than 0 (1: by size; inf: uniform), got {temperature}.")
    heights = {name: math.log(size) / temperature for name, size in sizes.items()}
    top = max(heights.values())  # no overflow at a low temperature
    return _normal({name: math.exp(height - top) for name, height in heights.items()})


def repetitions_of(sizes: Mapping[str, int], shares: Mapping[str, float], draws: float) -> dict[str, float]:
    """Number of passes over each source in a number of draws from a mixture."""
    return {name: draws * shares[name] / size for name, size in sizes.items()}


def mixture_shares(
    robot: Mapping[str, int],
    web: Mapping[str, int],
    *,
    robot_share: float | None = None,
    temperature: float = 1.0,
    explicit: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """The share of each source in all samples; by temperature within robot and within web data.

    robot, web: sizes by name. robot_share: of all robot sources together; None: implied by `explicit`,
    else ROBOT_SHARE, or 1 or 0 if there are sources of one kind only. explicit: fixed shares of all samples; the
    others of their kind divide the rest. Raises MixtureError.
    """
    explicit, both = explicit or {}, {**robot, **web}
    if not both:
        raise MixtureError("The mixture is empty: specify robot data, web data or both.")
    if len(both) < len(robot) + len(web):
        raise MixtureError(f"Robot and web data have the same name: {', '.join(sorted(robot.keys() & web.keys()))}.")
    _check_names(explicit, both)
    for name, share in explicit.items():
        _check_share(name, share)
    if robot_share is not None:
        _check_share("robot data", robot_share)
    part = _robot_part(robot, web, robot_share, explicit)
    return by_probability(
        _divided("robot", robot, part, temperature, explicit) | _divided("web", web, 1 - part, temperature, explicit)
    )


def _robot_part(
    robot: Mapping[str, int], web: Mapping[str, int], robot_share: float | None, explicit: Mapping[str, float]
) -> float:
    """The share of all robot sources together."""
    if not robot or not web:
        part = 1.0 if robot else 0.0
        if robot_share not in (None, part):
            kind = "robot" if robot else "web"
            raise MixtureError(f"The robot share is {robot_share:g}, but there is only {kind} data.")
        return part
    if robot_share is not None:
        return robot_share
    if all(name in explicit for name in robot):
        return math.fsum(explicit[name] for name in robot)
    if all(name in explicit for name in web):
        return 1 - math.fsum(explicit[name] for name in web)
    return ROBOT_SHARE


def _divided(
    kind: str, sizes: Mapping[str, int], part: float, temperature: float, explicit: Mapping[str, float]
) -> dict[str, float]:
    """Divides `part` of the mixture among the sources of a kind."""
    fixed = {name: explicit[name] for name in sizes if name in explicit}
    others = {name: size for name, size in sizes.items() if name not in explicit}
    left = part - math.fsum(fixed.values())
    written = " + ".join(f"{name} {share:g}" for name, share in fixed.items())
    if left < -NEAR:
        raise MixtureError(f"The shares of {kind} data, {written}, are more than its part of the mixture, {part:g}.")
    if sizes and not others and left > NEAR:
        raise MixtureError(f"The shares of {kind} data, {written}, do not sum to its part of the mixture, {part:g}.")
    _check_sizes({name: sizes[name] for name in fixed if fixed[name] > 0})
    divided = by_temperature(others, temperature) if others else {}
    return {name: fixed[name] if name in fixed else max(0.0, left) * divided[name] for name in sizes}


def _normal(weights: Mapping[str, float]) -> dict[str, float]:
    total = math.fsum(weights.values())
    if not 0 < total < math.inf:
        raise MixtureError(
            "The mixture is empty: no source has a share." if not total else "The repetitions are too many."
        )
    return {name: weight / total for name, weight in weights.items()}


def _check_share(name: str, share: float) -> None:
    if not 0 <= share <= 1:  # NaN is neither
        raise MixtureError(f"The share of {name!r} must be a number from 0 to 1, got {share}.")


def _check_sizes(sizes: Mapping[str, int]) -> None:
    empty = [name for name, size in sizes.items() if size <= 0]
    if empty:
        raise MixtureError(f"These sources are empty: {', '.join(empty)}.")


def _check_names(wanted: Iterable[str], there: Iterable[str]) -> None:
    known = list(there)
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise MixtureError(f"There is no source {name!r}; available: {', '.join(known) or 'none'}.{hint}")
