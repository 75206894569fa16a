"""An evaluation as one self-contained HTML file: tables, plots, videos."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from rt_vla_ros.environments.protocol import choices_of
from rt_vla_ros.evaluation.delays import by_suite, delay_plot, median_text
from rt_vla_ros.evaluation.page import Markup, drawing, facts, page, table
from rt_vla_ros.evaluation.report_plots import plot_bars, plot_histogram, plot_interval, plot_rate
from rt_vla_ros.evaluation.summary import wilson_interval
from rt_vla_ros.out_file import replace_text
from rt_vla_ros.policies.rt2.openvla.card import CROP_AREA

MAX_FAILURES = 60  # listed


def run_title(result: Mapping[str, Any]) -> str:
    """The suite of an evaluation, and its delay if it has one."""
    return f"{result['suite']}, delay {result['delay']:g} s" if result.get("delay") else str(result["suite"])


def write_report(path: Path, results: Sequence[Mapping[str, Any]], videos: Mapping[str, Sequence[Path]]) -> None:
    """results: of one or more suites and delays, as in evaluation.json. videos: MP4 files by the run's title."""
    policy = results[0]["policy"]
    body = [f"<h1>Success rate of {escape(policy)}</h1>", _about(results), _overview(results)]
    if len({result["delay"] for result in results}) > 1:
        body.append(drawing("Success against delay", delay_plot(by_suite(results)), wide=True))
    for result in results:
        body += _section(result, videos.get(run_title(result), ()))
    body.append(_provenance(results[0]))
    replace_text(path, page(f"{policy}: {'; '.join(map(run_title, results))}", body))


def _about(results: Sequence[Mapping[str, Any]]) -> str:
    count = sum(result["episodes"] for result in results)
    mode = "through ROS, in lock step" if results[0]["through_ros"] else "in the simulator, without ROS"
    return f"<p class=soft>{count:,} episode{'s' * (count != 1)}, {mode}.</p>"


def _overview(results: Sequence[Mapping[str, Any]]) -> str:
    kinds = [name for name in results[0]["outcomes"] if name != "success"]
    rows = [
        [
            run_title(result),
            f"{result['success_rate']:.1%}",
            Markup(plot_interval(result["success_rate"], *result["interval_95"])),
            "{:.1f} to {:.1%}".format(100 * result["interval_95"][0], result["interval_95"][1]),
            f"{result['successes']} of {result['episodes']}",
            *(result["outcomes"][name] for name in kinds),
            median_text(result),
            f"{result['latency_ms']['median']:.1f}",
            f"{result['latency_ms']['p99']:.1f}",
        ]
        for result in results
    ]
    header = ["suite", "success", "0 to 100%", "95% interval", "episodes", *(name.replace("_", " ") for name in kinds)]
    header += ["time [s]", "latency [ms]", "p99 [ms]"]
    own = "at the end the named object, and no other, was held 5 cm above the table for one second."
    success = "as defined by the environment." if results[0].get("environment") else own
    note = (
        f"<p class=soft>Success: {success} The interval is Wilson's 95% confidence interval of the rate. Time: "
        "simulated, the median of the episodes that succeeded. Latency: of one decision of the policy, the median. "
        "Delay: from an image to the "
        "moment at which what was decided on it takes effect.</p>"
    )
    return table("Results", header, rows) + note


def _section(result: Mapping[str, Any], videos: Sequence[Path]) -> list[str]:
    log, rows = result["log"], result["rows"]
    successes = list(accumulate(entry["outcome"] == "success" for entry in log))
    rates = [count / (i + 1) for i, count in enumerate(successes)]
    bounds = [wilson_interval(int(count), i + 1) for i, count in enumerate(successes)]
    counts, edges = np.histogram([entry["seconds"] for entry in log], bins=20, range=(0.0, 20.0))
    lows, highs = zip(*bounds, strict=True)
    plots = {
        "Cumulative success rate over the seeds": plot_rate(rates, lows, highs, log[0]["seed"]),
        "Simulated time of an episode [s]": plot_histogram(
            edges.tolist(), counts.tolist(), "s", "Duration of episodes"
        ),
        "Latency of an action [ms]": plot_histogram(
            **result["latency_histogram"], unit="ms", title="Latency of an action"
        ),
        "By named object": plot_bars(
            [row["task"] for row in rows], [row["successes"] for row in rows], [row["episodes"] for row in rows]
        ),
    }
    reasons = ["; ".join(f"{count} x {why}" for why, count in row["reasons"].items()) for row in rows]
    body = [
        [row["task"], f"{row['successes']} of {row['episodes']}", why] for row, why in zip(rows, reasons, strict=True)
    ]
    tasks = table("Each task", ["named object", "successes", "outcomes and reasons"], body)
    failures = [entry for entry in log if entry["outcome"] != "success"]
    return [
        f"<h2>{escape(run_title(result))}: <span class=big>{result['success_rate']:.1%}</span> "
        f"<span class=soft>{result['successes']} of {result['episodes']}</span></h2>",
        f"<div class=grid>{''.join(drawing(name, plot) for name, plot in plots.items())}</div>",
        f"<details><summary>Each task</summary>{tasks}</details>",
        _failures(failures),
        f"<div class=row>{''.join(map(_video, videos))}</div>",
    ]


def _failures(failures: Sequence[Mapping[str, Any]]) -> str:
    if not failures:
        return "<p>No episode failed.</p>"
    rows = [
        [one["seed"], one["outcome"].replace("_", " "), one["instruction"], f"{one['seconds']:.1f}", one["reason"]]
        for one in failures[:MAX_FAILURES]
    ]
    listed = table("Failed episodes", ["seed", "outcome", "instruction", "time [s]", "reason"], rows)
    return f"<details open><summary>Failed episodes: {len(failures)}</summary>{listed}</details>"


def _video(path: Path) -> str:
    outcome, _, seed = path.stem.rpartition("_")
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return (
        f'<figure><video controls loop muted playsinline preload="metadata" src="data:video/mp4;base64,{data}"></video>'
        f"<figcaption>{escape(outcome.replace('_', ' '))}, seed {escape(seed)}</figcaption></figure>"
    )


def _provenance(result: Mapping[str, Any]) -> str:
    rows = [
        ("checkpoint (SHA-256 of its weights)", result["checkpoint_sha256"] or "none: created in memory"),
        *environment_rows(result.get("environment")),
        *crop_rows(result.get("center_crop")),
        ("ablation", result["ablation"] or "none"),
        *([("plan", "requested, in words before each action")] if result["plan"] else []),
        *result["versions"].items(),
    ]
    return f"<h2>How this was measured</h2><pre>{escape(result['command'])}</pre>{facts('How this was measured', rows)}"


def crop_rows(center_crop: bool | None) -> list[tuple[str, str]]:
    """What an OpenVLA checkpoint sees of its images; none for others. center_crop: see center_cropped."""
    if center_crop is None:
        return []
    cropped = f"{CROP_AREA:g} of the area of an image, as the checkpoint was fine-tuned with random crops"
    return [("center crop", cropped if center_crop else "none: the checkpoint does not say that it needs one")]


def environment_rows(environment: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Name, versions and protocol of a benchmark; none for our own table."""
    if environment is None:
        return []
    versions = ", ".join(f"{name} {version}" for name, version in environment["versions"].items())
    return [
        ("environment", f"{environment['name']} ({versions})"),
        *(("protocol of the benchmark", one) for one in choices_of(environment).values()),
    ]
