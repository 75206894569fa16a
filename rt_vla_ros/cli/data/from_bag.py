"""Convert recorded bags (rosbag2: MCAP and SQLite, compressed or not) to episodes of a dataset.

rt-vla data from-bag demo_bag --card robot --topics robot/topics.yaml --instruction 'lift it' --out data/demo
rt-vla data from-bag bags/* --card robot --topics robot/topics.yaml --episodes-by instruction --out data/demos
rt-vla data from-bag demo_bag --card robot --topics robot/topics.yaml --dry-run

The frames are the same as when recording the bag's replay with `rt-vla record`. A damaged bag is converted as far as
it can be read. --episodes-by takes a topic of std_msgs/Bool (true starts an episode, false ends it)
or std_msgs/String (an instruction starts an episode, an empty text ends it; the words start, success, failure, stop
and discard are commands; "label: success" and "label: failure" change the label of the last episode).
"""

from __future__ import annotations

import argparse
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from rt_vla_ros import ros
from rt_vla_ros.cli.main import refused
from rt_vla_ros.data.new_place import check_apart
from rt_vla_ros.data.video import CODECS
from rt_vla_ros.malloc_threshold import fix_malloc_threshold
from rt_vla_ros.os_error import in_words
from rt_vla_ros.progress import Progress
from zenoh_ros.commands.errors import CliError
from zenoh_ros.wire.printable import printable

if TYPE_CHECKING:
    from rt_vla_ros.nodes.bag_conversion import BagConversion, ConvertedEpisode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bags", type=Path, nargs="+", metavar="BAG", help="bag directory, or .mcap or .db3 file")
    parser.add_argument("--card", type=Path, required=True, metavar="CARD", help="action card: file or directory")
    parser.add_argument("--topics", type=Path, required=True, metavar="YAML", help="topic map: file or directory")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=Path, metavar="DATA", help="output dataset; must not exist")
    target.add_argument("--dry-run", action="store_true", help="report what would be converted, write nothing")
    parser.add_argument("--append", action="store_true", help="add episodes that an existing dataset does not have yet")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--episodes-by", default="", metavar="TOPIC", help="split a bag by the messages of a topic")
    times = "split a bag by times from its start [s], e.g. 2.5-14 20-31"
    how.add_argument("--episode-markers", type=_span, nargs="+", default=[], metavar="FROM-TO", help=times)
    parser.add_argument("--instruction", default="", metavar="TEXT", help="instruction, if no topic gives it")
    failed = "label the episodes as failed; default: success, unless a topic says otherwise or data is missing"
    parser.add_argument("--no-success", action="store_true", help=failed)
    codecs = tuple(CODECS)
    parser.add_argument("--codec", choices=codecs, default="lossless", help="video codec (default %(default)s)")


@refused(ImportError, ValueError)
def run(args: argparse.Namespace) -> int:
    """Return 0 if the dataset has an episode of the bags, else 1."""
    fix_malloc_threshold()
    spans = tuple(args.episode_markers)
    if any(later[0] < earlier[1] for earlier, later in pairwise(spans)):
        raise CliError("the times of --episode-markers must increase and not overlap.")
    ros.ensure()
    from rt_vla_ros.data.lerobot_writer import LeRobotWriter
    from rt_vla_ros.nodes.bag_conversion import Splitting, convert
    from rt_vla_ros.recording.bag_files import Bag
    from rt_vla_ros.recording.card_file import read_card
    from rt_vla_ros.recording.topic_map import TopicMap

    card, topics = read_card(args.card), TopicMap.load(args.topics)
    splitting = Splitting(args.episodes_by, spans, args.instruction, not args.no_success)
    with ExitStack() as stack:
        out = stack.enter_context(_target(args))
        bags = [stack.enter_context(Bag(path)) for path in args.bags]
        writer = LeRobotWriter(out, card, with_scene=False, with_commanders=True, codec=args.codec, robot=card.name)
        before, refused_ones, known_ones = writer.episodes, 0, 0
        try:
            conversions = convert(bags, topics, writer, splitting)
            for path, conversion in zip(args.bags, conversions, strict=True):
                refusals, known = _convert(path, conversion, audit=args.dry_run)
                refused_ones, known_ones = refused_ones + refusals, known_ones + known
        except OSError as error:
            kept = (
                f"{writer.episodes - before} complete episodes were added to {out} before that; --append adds the rest."
            )
            raise CliError(f"{in_words(error)} {'' if args.dry_run else kept}".rstrip()) from error
        finally:
            _take_away_empty(out, writer.episodes)
        made, frames = writer.episodes - before, writer.frames
    kept = "would be converted" if args.dry_run else f"added to {out}, which now has {frames} frames"
    kept += f"; {known_ones} already present" * bool(known_ones)
    print(printable(f"{made} episodes {kept}; {refused_ones} rejected."))
    return int(made + known_ones == 0)


def _convert(path: Path, conversion: BagConversion, *, audit: bool) -> tuple[int, int]:
    """Print each episode of a bag; return how many were rejected and how many already present."""
    from rt_vla_ros.nodes.bag_conversion import Relabeled

    progress, refusals, known = Progress(), 0, 0
    for episode in conversion.episodes():
        if episode is None:
            progress.update(f"{path}: {conversion.elapsed:.0f} s")
            continue
        if isinstance(episode, Relabeled):
            label = "success" if episode.success else "failure"
            progress.line(printable(f"{path}: episode {episode.index} was relabeled: {label}."))
            continue
        refusals += episode.saved is None and episode.known is None
        known += episode.known is not None
        for line in _told(path, episode, audit=audit):
            progress.line(printable(line))
    for note in conversion.notes:
        progress.line(printable(f"  note: {note}"))
    return refusals, known


def _told(path: Path, episode: ConvertedEpisode, *, audit: bool) -> Iterator[str]:
    when = f"{path}, {episode.begin:.1f} s to {episode.end:.1f} s"
    if episode.known is not None:
        yield f"{when}: already present, as episode {episode.known}."
    elif episode.saved is None:
        yield f"{when}: rejected. {episode.refusal}"
    else:
        saved = episode.saved
        yield f"{when}: episode {saved.index}, {saved.frames} frames, {'success' if saved.success else 'failure'}."
        yield from (f"  problem: {problem}" for problem in saved.problems)
    if episode.goes_on:
        yield "  The data after that becomes a separate episode."
    for name, one in episode.audits if audit else ():
        told = one.to_dict()
        if told["messages"]:
            yield (
                f"  {name}: {told['messages']} messages, {told['rate']:.1f} Hz, longest gap {told['longest_gap']:.2f} s"
            )


@contextmanager
def _target(args: argparse.Namespace) -> Iterator[Path]:
    """The output directory. Raises CliError if it exists, DatasetError if it is a bag's."""
    if args.dry_run:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / "data"
        return
    check_apart(args.out, args.bags)
    if args.out.exists() and any(args.out.iterdir() if args.out.is_dir() else [args.out]) and not args.append:
        raise CliError(f"{args.out} already exists: choose another directory, or use --append.")
    yield args.out


def _take_away_empty(out: Path, episodes: int) -> None:
    """Remove a new dataset without episodes."""
    if episodes == 0:
        for path in (out / "meta/info.json", out / "meta/action_card.json", *out.rglob("*.part")):
            path.unlink(missing_ok=True)
        with suppress(OSError):  # of what was begun in another way something may be there
            for path in sorted((one for one in out.rglob("*") if one.is_dir()), reverse=True):
                path.rmdir()
            out.rmdir()


def _span(text: str) -> tuple[float, float]:
    match = re.fullmatch(r"(\d+(?:\.\d*)?)-(\d+(?:\.\d*)?)", text)
    if match is None or not float(match[1]) < float(match[2]):
        raise argparse.ArgumentTypeError(
            f"expected FROM-TO in seconds from the start of the bag, e.g. 2.5-14; got {text!r}"
        )
    return float(match[1]), float(match[2])
