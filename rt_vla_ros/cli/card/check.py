"""Check an action card against a robot's running graph; reports all mismatches, each with a code.

rt-vla card check my_robot --topics my_robot/topics.yaml
rt-vla card check runs/pick/checkpoint --topics my_robot/topics.yaml    # does this policy fit this robot?

Without --topics the cameras are found by the card's names. The exit code is 1 if there is an error, with --strict also
if there is a warning.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from rt_vla_ros import ros
from rt_vla_ros.cli.card.comparison import ERROR, Mismatch, compare, guess_cameras, unconfirmed
from rt_vla_ros.cli.card.guesses import guess_topics
from rt_vla_ros.cli.card.options import add_card, open_card
from rt_vla_ros.cli.main import refused
from rt_vla_ros.recording.card_file import CONFIRM
from rt_vla_ros.recording.topic_map import TopicMap, topic_map_file
from zenoh_ros.commands.errors import CliError
from zenoh_ros.wire.printable import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_card(parser)
    parser.add_argument("--topics", type=Path, metavar="YAML", help="topic map, as written by `card init`")
    parser.add_argument("--strict", action="store_true", help="exit code 1 also for warnings")


@refused(ImportError, ValueError)
def run(args: argparse.Namespace) -> int:
    """Return 0 if they fit, 1 if not."""
    card, whence = open_card(args.card)
    topics_file = topic_map_file(args.topics) if args.topics is not None else None
    topics = TopicMap.load(topics_file) if topics_file is not None else None
    ros.ensure()
    from rt_vla_ros.cli.card.graph_survey import survey_graph

    survey = survey_graph()
    if topics is None:
        try:
            entries = guess_topics(survey).entries
        except CliError:  # no camera at all, which is told below
            entries = {}
        topics = replace(TopicMap.from_dict(entries), cameras=guess_cameras(card, survey) or ("none=none",))
    found = compare(card, topics, survey)
    if topics_file is not None:
        found += unconfirmed(topics_file.read_text(encoding="utf-8"))
    files = {"card": Path(whence), "topics": topics_file}
    for one in found:
        mark = " !!! " if one.severity == ERROR else "  ?  "
        print(printable(f"{mark}{one.code} {one.severity}: {one.sentence} Change {_place(one, files)}."))
    errors = sum(one.severity == ERROR for one in found)
    warnings = len(found) - errors
    print(f"{card.name} {'fits' if not errors else 'does not fit'} this graph: {errors} errors, {warnings} warnings.")
    return int(errors > 0 or (args.strict and warnings > 0))


def _place(one: Mismatch, files: Mapping[str, Path | None]) -> str:
    """The entry, with its file and line if it has one."""
    kind, _, entry = one.entry.partition(": ")
    key, _, name = entry.partition(" ")
    shown = "this line" if kind == "topics" and CONFIRM.strip() in entry else key if key == "notes" else entry
    path = files[kind]
    if path is None or not path.is_file():
        return f"{shown} of the {'card' if kind == 'card' else 'topic map (--topics)'}"
    if kind == "topics":
        needle = entry if name else f"{key}:"
    else:
        needle = json.dumps(name)[1:-1] if key == "notes" else f'"name": {json.dumps(name)}' if name else f'"{key}"'
    lines = path.read_text(encoding="utf-8").splitlines()
    at = next((number for number, line in enumerate(lines, 1) if needle in line), None)
    return f"{shown} in {path}" + (f":{at}" if at else "")
