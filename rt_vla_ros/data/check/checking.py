"""Runs all checks over a dataset, decoding each image once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rt_vla_ros.data.check.audit import audit_findings
from rt_vla_ros.data.check.codes import SEVERITIES
from rt_vla_ros.data.check.finding import DataFinding
from rt_vla_ros.data.check.gripper import gripper_findings
from rt_vla_ros.data.check.motion import motion_findings
from rt_vla_ros.data.check.numbers import number_findings
from rt_vla_ros.data.check.opening import OpenedSet
from rt_vla_ros.data.check.pictures import picture_changes, picture_findings
from rt_vla_ros.data.check.stored_statistics import statistics_findings
from rt_vla_ros.data.check.whole_episodes import episode_findings
from rt_vla_ros.data.check.words import word_findings
from rt_vla_ros.data.episode import DatasetError
from rt_vla_ros.data.lerobot_layout import ACTION


@dataclass(frozen=True)
class CheckedSet:
    """findings: worst first. episodes, frames: numbers of readable ones."""

    opened: OpenedSet
    findings: tuple[DataFinding, ...]

    def counts(self) -> dict[str, int]:
        """Number of findings of each severity."""
        return {one: sum(finding.severity == one for finding in self.findings) for one in SEVERITIES}

    def to_dict(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "dataset": str(self.opened.directory),
            "episodes": len(self.opened.episodes),
            "frames": sum(map(len, self.opened.episodes)),
            "counts": self.counts(),
            "findings": [finding.to_dict() for finding in self.findings],
        }


def check_dataset(directory: Path, progress: Callable[[str], object] = lambda _: None) -> CheckedSet:
    """All findings of a dataset. progress: called with the current step.

    Problems of the dataset are not raised; DatasetError if pyarrow is missing.
    """
    opened = OpenedSet(directory)
    findings = [*opened.findings, *look_at_pictures(opened, progress)]
    card, rate, episodes = opened.card, opened.rate, [one for one in opened.episodes if len(one)]
    findings += [*word_findings(episodes), *audit_findings(episodes)]
    if card is not None and episodes and episodes[0].values.shape[1] == len(card.dimensions):
        for family in (number_findings, motion_findings, gripper_findings, picture_findings, episode_findings):
            findings += family(card, rate, episodes)
    if episodes and opened.info is not None and ACTION in opened.info["features"]:
        findings += statistics_findings(opened.directory, episodes)
    return CheckedSet(opened, tuple(sorted(findings, key=lambda finding: finding.rank)))


def look_at_pictures(opened: OpenedSet, progress: Callable[[str], object]) -> list[DataFinding]:
    """Decode every image once; the episodes keep a summary."""
    failures = dict[tuple[str, str], tuple[DataFinding, list[int]]]()
    for count, one in enumerate(opened.episodes, 1):
        for camera, pictures in opened.pictures.items():
            try:
                pictures.check(one.number)
                one.pictures[camera] = picture_changes(pictures.read(one.number, 0, len(one)))
            except DatasetError as error:
                finding = opened.picture_failure(camera, one.number, error)
                failures.setdefault((camera, finding.code), (finding, []))[1].append(one.number)
        progress(f"images of episode {count} of {len(opened.episodes)}")
    return [DataFinding(first.code, first.sentence, tuple(numbers)) for first, numbers in failures.values()]
