"""New datasets from episodes of existing ones, which are not modified: merge, split, drop, relabel."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rt_vla_ros.action_space.card import ActionCard, ActionCardError
from rt_vla_ros.data.assembly import DatasetAssembly, StoredEpisode
from rt_vla_ros.data.episode import DatasetError, card_differences
from rt_vla_ros.data.episode_source import EpisodeSource, StepRange, open_dataset
from rt_vla_ros.data.lerobot import LeRobotDataset
from rt_vla_ros.data.lerobot_layout import COMMANDER, INFO, INTERVENTION
from rt_vla_ros.data.new_place import check_apart, check_new
from rt_vla_ros.data.parquet import arrow

EXPERT, UNKNOWN = "expert", "unknown"
Report = Callable[[str], None]


@dataclass(frozen=True)
class Pick:
    """Episode `number` of a dataset, its replaced instructions, and the part to keep."""

    source: EpisodeSource
    number: int
    renamed: Mapping[str, str] | None = None
    part: StepRange | None = None


def write(
    out: Path, card: ActionCard, picks: Sequence[Pick], report: Report, *, link: bool = False, common: bool = False
) -> LeRobotDataset:
    """Build a dataset of these episodes, those for training first. See `DatasetAssembly` on resuming.

    common: keep only the columns in all datasets. link: see `copy_file`. report: called with progress messages.
    Raises DatasetError if the datasets have different columns.
    """
    sources = list({id(pick.source): pick.source for pick in picks}.values())
    info = _info(sources, common)
    splits = dict.fromkeys(["train", *(pick.source.splits[pick.number] for pick in picks)])
    ordered = [pick for split in splits for pick in picks if pick.source.splits[pick.number] == split]
    kinds: dict[str, Any] = {}
    for source in sources:
        kinds = {**source.facts_kinds, **kinds}
    assembly = DatasetAssembly(out, card, info, _about(sources, ordered), facts=kinds, link=link)
    for done in range(assembly.episodes, len(ordered)):
        pick = ordered[done]
        episode = pick.source.episode(pick.number, info["features"], pick.part)
        assembly.add(_said(_filled(episode, info["features"]), pick.renamed or {}))
        report(f"{out}: episode {done + 1} of {len(ordered)}")
    return assembly.finish()


def merge(
    directories: Sequence[Path], out: Path, report: Report, *, link: bool = False, common: bool = False
) -> LeRobotDataset:
    """Merge datasets with the same action card. Raises DatasetError, ActionCardError, OSError."""
    check_new(out, directories)
    opened = [open_dataset(directory) for directory in directories]
    card = opened[0][1]
    for directory, (_, other) in zip(directories[1:], opened[1:], strict=True):
        differences = card_differences(card, other)
        pairs = zip(card.cameras, other.cameras, strict=False)
        columns = [f"the column of the camera {one.name!r}" for one, its in pairs if one.column != its.column]
        if differences or columns:
            what = ", ".join(filter(None, (differences, *columns)))
            raise ActionCardError(f"The action card of {directory} differs from that of {directories[0]}: {what}.")
    picks = [Pick(source, number) for source, _ in opened for number in range(len(source))]
    return write(out, card, picks, report, link=link, common=common)


def drop(
    directory: Path, out: Path, report: Report, *, episodes: Collection[int], failed: bool = False, link: bool = False
) -> LeRobotDataset:
    """Drop these episodes, and optionally failed ones. Raises DatasetError, ActionCardError, OSError."""
    check_new(out, [directory])
    source, card = open_dataset(directory)
    _check_numbers(source, episodes)
    gone = {*episodes} | ({i for i in range(len(source)) if not _succeeded(source, i)} if failed else set())
    if len(gone) == len(source):
        raise DatasetError(f"{directory} would have no episodes left; delete the dataset instead, if you want that.")
    if not gone:
        raise DatasetError(f"{directory} has no episode to drop; no copy is needed.")
    return write(out, card, [Pick(source, i) for i in range(len(source)) if i not in gone], report, link=link)


def relabel(
    directory: Path,
    out: Path,
    report: Report,
    *,
    old: str,
    new: str,
    episodes: Collection[int] | None = None,
    link: bool = False,
) -> int:
    """Replace the instruction `old` with `new` in these episodes (None: in all). Returns their number.

    Raises DatasetError if no episode has `old`, ActionCardError, OSError.
    """
    check_new(out, [directory])
    if not new.strip():
        raise DatasetError("The new instruction is empty.")
    source, card = open_dataset(directory)
    _check_numbers(source, episodes or ())
    said = [{*source.said(i)} for i in range(len(source))]
    chosen = {i for i in range(len(source)) if old in said[i] and (episodes is None or i in episodes)}
    if not chosen:
        sentences = sorted(set().union(*(said[i] for i in (range(len(source)) if episodes is None else episodes))))
        there = ", ".join(map(repr, sentences[:20])) + " ..." * (len(sentences) > 20)
        raise DatasetError(f"None of the given episodes of {directory} has the instruction {old!r}; they have {there}.")
    picks = [Pick(source, i, {old: new} if i in chosen else None) for i in range(len(source))]
    write(out, card, picks, report, link=link)
    return len(chosen)


def split_by_success(source: EpisodeSource) -> dict[str, list[int]]:
    """Episodes by part: "success" and "failed". Raises DatasetError if an episode has no label."""
    parts: dict[str, list[int]] = {"success": [], "failed": []}
    for number in range(len(source)):
        parts["success" if _succeeded(source, number) else "failed"].append(number)
    return parts


def split_by_instruction(source: EpisodeSource) -> dict[str, list[int]]:
    """Episodes by part, named after their instructions."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for number in range(len(source)):
        groups.setdefault(tuple(dict.fromkeys(source.said(number))), []).append(number)
    parts: dict[str, list[int]] = {}
    for sentences, numbers in groups.items():
        name = re.sub(r"\W+", "_", " then ".join(sentences).lower()).strip("_")[:80] or "other"
        while name in parts:
            name += "_"
        parts[name] = numbers
    return parts


def split_by_share(source: EpisodeSource, share: float, seed: int) -> dict[str, list[int]]:
    """ "train", a random share of the episodes, and "validation". Raises DatasetError."""
    count = round(share * len(source)) if 0 < share < 1 else 0
    if not 0 < count < len(source):
        raise DatasetError(f"A share of {share:g} of {len(source)} episodes leaves one part empty.")
    order = np.random.default_rng(seed).permutation(len(source)).tolist()
    return {"train": sorted(order[:count]), "validation": sorted(order[count:])}


def split_by_number(source: EpisodeSource, episodes: Collection[int]) -> dict[str, list[int]]:
    """ "chosen", with these episodes, and "rest". Raises DatasetError."""
    _check_numbers(source, episodes)
    return {"chosen": sorted(episodes), "rest": [i for i in range(len(source)) if i not in episodes]}


def write_parts(
    source: EpisodeSource, card: ActionCard, parts: Mapping[str, Sequence[int]], out: Path, report: Report, link: bool
) -> dict[str, LeRobotDataset]:
    """Write OUT/NAME for each part with episodes; an existing one of the right length is kept.

    Raises DatasetError, OSError.
    """
    for place in (out, *(out / name for name in parts)):
        check_apart(place, [source.directory])
    wanted = {name: numbers for name, numbers in parts.items() if numbers}
    if len(wanted) < 2:
        raise DatasetError(f"All episodes of {source.directory} would be in one part, {', '.join(wanted)!r}.")
    done = {name: LeRobotDataset(out / name) for name in wanted if (out / name / INFO).is_file()}
    for name, numbers in wanted.items():
        if name not in done or done[name].info["total_frames"] != sum(source.rows[i]["length"] for i in numbers):
            check_new(out / name)
    for name in (name for name in wanted if name not in done):
        done[name] = write(out / name, card, [Pick(source, i) for i in wanted[name]], report, link=link)
    return {name: done[name] for name in wanted}


def _succeeded(source: EpisodeSource, number: int) -> bool:
    success = source.facts[number].get("success")
    if success is None:
        raise DatasetError(f"{source.directory} has no success label for episode {number}.")
    return bool(success)


def _check_numbers(source: EpisodeSource, episodes: Collection[int]) -> None:
    wrong = sorted(number for number in episodes if not 0 <= number < len(source))
    if wrong:
        raise DatasetError(f"{source.directory} has episodes 0 to {len(source) - 1}, not {wrong[0]}.")


def _info(sources: Sequence[EpisodeSource], common: bool) -> dict[str, Any]:
    """The merged info.json."""
    first = sources[0]
    features = {name: dict(one) for name, one in first.features.items()}
    others = {name: one for source in sources[1:] for name, one in source.features.items() if name not in features}
    features = {**features, **{name: dict(one) for name, one in others.items()}}
    lacking = {
        name: source
        for name in features
        for source in sources
        if name not in source.features and name not in (INTERVENTION, COMMANDER)
    }
    if lacking and not common:
        which = ", ".join(f"{source.directory} lacks {name!r}" for name, source in lacking.items())
        raise DatasetError(f"The datasets have different columns: {which}. Use --common to drop such columns.")
    features = {name: one for name, one in features.items() if name not in lacking}
    for source in sources:
        if float(source.info["fps"]) != float(first.info["fps"]):
            rates = [f"{one.directory} has fps {one.info['fps']}" for one in (first, source)]
            raise DatasetError(f"{rates[0]}, {rates[1]}; they cannot be merged.")
        for name in features.keys() & source.features.keys():
            for key in ("dtype", "shape"):
                here, there = features[name].get(key), source.features[name].get(key)
                if here != there:
                    what = f"the column {name!r} has the {key} {there} in {source.directory}"
                    raise DatasetError(f"{what}, but {here} in {first.directory}; they cannot be merged.")
            about = features[name].get("info")
            if isinstance(about, dict):  # how a video is encoded, as far as it is the same
                its = source.features[name].get("info") or {}
                features[name]["info"] = {key: value for key, value in about.items() if its.get(key) == value}
    robots = {source.info.get("robot_type") for source in sources}
    return {"fps": first.info["fps"], "robot_type": robots.pop() if len(robots) == 1 else None, "features": features}


def _filled(episode: StoredEpisode, features: Mapping[str, Mapping[str, Any]]) -> StoredEpisode:
    """Add the columns of takeover data: no intervention, the commander is an expert or unknown.

    A learner's episodes without them have a teacher's labels and are trained on as before.
    """
    pa, table = arrow(), episode.table
    who = EXPERT if episode.facts.get("leader") == EXPERT else UNKNOWN
    for name, value in ((INTERVENTION, False), (COMMANDER, who)):
        if name in features and name not in table.column_names:
            table = table.append_column(name, pa.array([value] * len(table)))
    names = [name for name in features if name in table.column_names and name != "timestamp"]
    return replace(episode, table=table.select([*names, "timestamp"]))


def _said(episode: StoredEpisode, renamed: Mapping[str, str]) -> StoredEpisode:
    return replace(episode, sentences=tuple(renamed.get(sentence, sentence) for sentence in episode.sentences))


def _about(sources: Sequence[EpisodeSource], picks: Sequence[Pick]) -> dict[str, Any]:
    """Identifies the sources of a dataset."""
    places = {id(source): i for i, source in enumerate(sources)}
    cuts = [() if pick.part is None else astuple(pick.part) for pick in picks]
    chosen = json.dumps(
        [(places[id(pick.source)], pick.number, pick.renamed, *cut) for pick, cut in zip(picks, cuts, strict=True)]
    )
    return {
        "datasets": [str(source.directory.resolve()) for source in sources],
        "frames": [sum(int(row["length"]) for row in source.rows) for source in sources],
        "episodes": len(picks),
        "choice": hashlib.sha256(chosen.encode()).hexdigest()[:16],
    }
