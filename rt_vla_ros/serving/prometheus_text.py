"""The server's metrics in Prometheus' text format (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rt_vla_ros.serving.metrics import OUTCOMES, FleetMetrics, Histogram, RobotRow

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def prometheus_text(metrics: FleetMetrics) -> str:
    """All metrics with their descriptions."""
    rows = metrics.rows()
    return "\n".join([*_policies(metrics, rows), *_robots(rows)]) + "\n"


def _policies(metrics: FleetMetrics, rows: list[RobotRow]) -> Iterator[str]:
    policies = metrics.policies
    yield from _head("rt_vla_requests_total", "counter", "Requests for an action, by outcome.")
    for name, one in policies.items():
        for outcome in OUTCOMES:
            yield _line("rt_vla_requests_total", {"policy": name, "outcome": outcome}, one.outcomes[outcome])
    yield from _head("rt_vla_robots", "gauge", "Connected robots.")
    for name in policies:
        yield _line("rt_vla_robots", {"policy": name}, sum(row.policy == name for row in rows))
    yield from _head("rt_vla_image_bytes_total", "counter", "Bytes of images as received, and without encoding.")
    for name, one in policies.items():
        for form, count in (("received", one.received), ("unencoded", one.unencoded)):
            yield _line("rt_vla_image_bytes_total", {"policy": name, "form": form}, count)
    yield from _head("rt_vla_lost_batches_total", "counter", "Batches whose replica was lost.")
    for name, one in policies.items():
        yield _line("rt_vla_lost_batches_total", {"policy": name}, one.lost)
    yield from _head("rt_vla_turned_away_total", "counter", "Refused connections, by reason.")
    for reason, count in sorted(metrics.turned_away.items()):
        yield _line("rt_vla_turned_away_total", {"reason": reason}, count)
    histograms = (
        ("rt_vla_request_seconds", "Time from a request's arrival to its answer.", "seconds"),
        ("rt_vla_inference_seconds", "Duration of a batch, or of a step of continuous batching.", "inference"),
        ("rt_vla_batch_size", "Robots in a batch, or in a step of continuous batching.", "batches"),
    )
    for metric, meaning, attribute in histograms:
        yield from _head(metric, "histogram", meaning)
        for name, one in policies.items():
            yield from _histogram(metric, name, getattr(one, attribute))


def _robots(rows: list[RobotRow]) -> Iterator[str]:
    gauges = (
        ("rt_vla_robot_rate_hertz", "Decisions per second of a robot over the last 10 s.", "rate"),
        ("rt_vla_robot_late_ratio", "Share of a robot's requests that were late over the last 10 s.", "late"),
        ("rt_vla_robot_batch_size", "Mean size of a robot's batches over the last 10 s.", "batch"),
        ("rt_vla_robot_p50_seconds", "Median time from request to answer over the last 10 s.", "p50"),
        ("rt_vla_robot_p99_seconds", "99th percentile of the time from request to answer over the last 10 s.", "p99"),
    )
    for metric, meaning, attribute in gauges:
        yield from _head(metric, "gauge", meaning)
        for row in rows:
            labels = {"policy": row.policy, "robot": row.robot, "session": str(row.number)}
            value = getattr(row, attribute)
            yield _line(metric, labels, float("nan") if value is None else value)


def _histogram(metric: str, policy: str, histogram: Histogram) -> Iterator[str]:
    total = 0
    for bound, count in zip((*map(_number, histogram.bounds), "+Inf"), histogram.counts, strict=True):
        total += count
        yield _line(f"{metric}_bucket", {"policy": policy, "le": bound}, total)
    yield _line(f"{metric}_sum", {"policy": policy}, histogram.sum)
    yield _line(f"{metric}_count", {"policy": policy}, total)


def _head(metric: str, kind: str, meaning: str) -> Iterator[str]:
    yield f"# HELP {metric} {meaning}"
    yield f"# TYPE {metric} {kind}"


def _line(metric: str, labels: Mapping[str, str], value: float) -> str:
    inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{metric}{{{inside}}} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return "NaN" if value != value else f"{value:.10g}"
