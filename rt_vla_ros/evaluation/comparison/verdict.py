"""All sentences about comparisons of two policies, in one place.

"Succeeds more often" requires significance at the 5% level, corrected for multiple comparisons (Holm, 1979). Policies
are never called equal: no test shows that.
"""

from __future__ import annotations

from collections.abc import Sequence

from rt_vla_ros.evaluation.comparison.paired import PairedResult
from rt_vla_ros.evaluation.comparison.power import TooManyEpisodesError, episodes_needed
from rt_vla_ros.evaluation.comparison.sequential import SequentialTest
from rt_vla_ros.evaluation.comparison.unpaired import UnpairedResult
from rt_vla_ros.evaluation.summary import wilson_interval

LEVEL = 0.05


def rate_sentence(successes: int, episodes: int) -> str:
    """A success rate with its interval."""
    low, high = wilson_interval(successes, episodes)
    return f"{successes} of {episodes} succeeded ({successes / episodes:.1%}, 95% interval {low:.1%} to {high:.1%})"


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for multiple comparisons (Holm, 1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def difference_sentence(result: PairedResult | UnpairedResult, p_value: float) -> str:
    """The size of the difference. p_value: of its test, computed once since that can take seconds."""
    low, high = result.interval_95
    paired = isinstance(result, PairedResult)
    test = "McNemar's exact test" if paired else "Boschloo's exact test, unpaired"
    differ = f"Only the first succeeded in {result.first}, only the second in {result.second}. " if paired else ""
    return (
        f"{differ}Difference {result.difference:+.1%} (95% interval {low:+.1%} to {high:+.1%}; {test}, {_p(p_value)})."
    )


def gap_sentence(result: UnpairedResult) -> str:
    """The generalization gap. result: unseen tasks first, seen ones second."""
    low, high = result.interval_95
    return (
        f"Generalization gap (seen minus unseen): {result.difference:+.1%} (95% interval {low:+.1%} to {high:+.1%}); "
        f"{result.second[0]} of {result.second[1]} seen and {result.first[0]} of {result.first[1]} unseen succeeded."
    )


def verdict(names: tuple[str, str], result: PairedResult | UnpairedResult, p_value: float) -> str:
    """Which policy succeeds more often, if significant. p_value: by `holm` if there are several."""
    if p_value <= LEVEL and result.difference:
        better, worse = names if result.difference < 0 else names[::-1]
        return _sentence(f"{better} succeeds more often than {worse}.")
    return f"Not decided: these episodes do not show that {names[0]} or {names[1]} succeeds more often. {_more(result)}"


def sequential_sentence(names: tuple[str, str], test: SequentialTest) -> str:
    """The result of a sequential comparison."""
    low, high = test.interval
    counts = (
        f"After {test.episodes} episodes: only {names[0]} succeeded in {test.first}, only {names[1]} in {test.second} "
        f"(sequential test, {_p(test.p_value)}, valid at any time; difference {low:+.1%} to {high:+.1%})."
    )
    if not test.decided:
        return f"{counts} Not decided: they do not show which of the two succeeds more often."
    better, worse = names if test.first > test.second else names[::-1]
    return f"{counts} {_sentence(f'{better} succeeds more often than {worse}.')}"


def _more(result: PairedResult | UnpairedResult) -> str:
    """The number of episodes that would probably show such a difference."""
    if not result.difference:
        return "Their rates are equal here, which does not mean that the policies are."
    if isinstance(result, PairedResult):
        rates = [count / result.episodes for count in result.successes]
        differing = (result.first + result.second) / result.episodes
    else:
        rates, differing = [won / of for won, of in (result.first, result.second)], None
    try:
        needed = f"about {episodes_needed(rates[0], rates[1], differing):,} episodes of the same seeds are needed"
    except TooManyEpisodesError as error:
        return str(error)
    return f"If the true difference is the one seen, {needed} to show it with a power of 80%."


def _sentence(text: str) -> str:
    """Capitalize "the first" and "the second"; names of policies are unchanged."""
    return f"T{text[1:]}" if text.startswith("the ") else text


def _p(value: float) -> str:
    return "p < 0.0001" if value < 1e-4 else f"p = {value:.2g}"
