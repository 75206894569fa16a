"""The measures of a policy as one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from rt_vla_ros.evaluation.delays import by_suite, delay_plot
from rt_vla_ros.evaluation.learning_curve import curve_plot
from rt_vla_ros.evaluation.measures import Evaluations
from rt_vla_ros.evaluation.page import Markup, drawing, facts, page, table
from rt_vla_ros.evaluation.report import crop_rows, environment_rows
from rt_vla_ros.evaluation.report_plots import plot_interval
from rt_vla_ros.out_file import replace_text

EXPECTED = {
    "black-images": "all pixels black: success should drop to chance",
    "other-instruction": "the instruction of another object or task: success should drop to zero",
    "no-instruction": 'an instruction that says nothing ("do it"): success should drop to chance',
    "paraphrase": "the same request in other words: success should stay the same",
}

RATE_HEADER = ("success", "0 to 100%", "95% interval", "episodes")


def write_measures_page(path: Path, about: Mapping[str, Any], found: Mapping[str, Any], made: Evaluations) -> None:
    """about: what was evaluated, as in measures.json. found: of `measures`. Raises OSError."""
    title = f"Measures of {about['policy']}"
    body = [
        f"<h1>{escape(title)}</h1>",
        "<p class=soft>Intervals are 95% confidence intervals: Wilson's of a rate, Newcombe's of the generalization "
        "gap, Tango's of a difference on the same episodes.</p>",
        *_success(found),
        *_following(found),
        *_delays(found, made),
        *_efficiency(found),
        _provenance(about),
    ]
    replace_text(path, page(title, body))


def _success(found: Mapping[str, Any]) -> list[str]:
    if "success_rate" not in found:
        return []
    latency = found["inference_latency_ms"]
    rows = [
        [
            *_rate_cells(suite, rate),
            *(f"{latency[suite][k]:.1f}" if suite in latency else "" for k in ("median", "p99")),
        ]
        for suite, rate in found["success_rate"].items()
    ]
    header = ["suite", *RATE_HEADER, "latency [ms]", "p99 [ms]"]
    gap = found.get("generalization_gap")
    said = f"<p>{escape(gap['says'])}</p>" if gap else "<p class=soft>No unseen tasks were evaluated.</p>"
    return ["<h2>Success rate and generalization gap</h2>", table("Success rates", header, rows), said]


def _following(found: Mapping[str, Any]) -> list[str]:
    rows = [
        [f"{ablation}, {suite}", *_rate_cells("", one)[1:], _signed(one), EXPECTED[ablation]]
        for ablation, suites in found.get("instruction_following", {}).items()
        for suite, one in suites.items()
    ]
    header = ["ablation", *RATE_HEADER, "difference", "what it shows"]
    return ["<h2>Instruction following</h2>", table("Ablations", header, rows)] if rows else []


def _delays(found: Mapping[str, Any], made: Evaluations) -> list[str]:
    rows = [
        [f"{one['suite']}, {one['delay_s']:g} s", *_rate_cells("", one)[1:]]
        for one in found.get("robustness_to_delay", [])
    ]
    if not rows:
        return []
    plot = drawing("Success against delay", delay_plot(by_suite(made.with_delays)), wide=True)
    return ["<h2>Robustness to delay</h2>", plot, table("Delays", ["delay", *RATE_HEADER], rows)]


def _efficiency(found: Mapping[str, Any]) -> list[str]:
    points = found.get("sample_efficiency", [])
    rows = [
        [point["checkpoint"], point["episodes"], *_rate_cells(suite, rate)]
        for point in points
        for suite, rate in point["success_rate"].items()
    ]
    if not rows:
        return []
    plot = drawing("Success against the number of training episodes", curve_plot(points), wide=True)
    header = ["checkpoint", "training episodes", "suite", *RATE_HEADER]
    return ["<h2>Sample efficiency</h2>", plot, table("Learning curve", header, rows)]


def _rate_cells(name: str, rate: Mapping[str, Any]) -> list[object]:
    low, high = rate["interval_95"]
    return [
        name,
        f"{rate['success_rate']:.1%}",
        Markup(plot_interval(rate["success_rate"], low, high)),
        f"{100 * low:.1f} to {high:.1%}",
        f"{rate['successes']} of {rate['episodes']}",
    ]


def _signed(one: Mapping[str, Any]) -> str:
    low, high = one["difference_interval_95"]
    return f"{one['difference']:+.1%} ({low:+.1%} to {high:+.1%})"


def _provenance(about: Mapping[str, Any]) -> str:
    rows: Sequence[tuple[str, str]] = [
        ("checkpoint (SHA-256 of its weights)", about["checkpoint_sha256"] or "none"),
        *environment_rows(about.get("environment")),
        *crop_rows(about.get("center_crop")),
        *about["versions"].items(),
    ]
    name = "How this was measured"
    return f"<h2>{name}</h2><pre>{escape(about['command'])}</pre>{facts(name, rows)}"
