"""Create a first action card and topic map from a robot's running graph.

rt-vla card init --from-graph --out my_robot
rt-vla card init --from-graph --out my_robot --cameras front=/camera/color/image_raw wrist=/wrist/image_raw --rate 10

It listens for some seconds and writes my_robot/action_card.json and my_robot/topics.yaml. Guesses are marked
TO CONFIRM, in the card's notes and in the YAML: check them, correct them, remove the mark. Then run
`rt-vla card check my_robot --topics my_robot/topics.yaml`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rt_vla_ros import ros
from rt_vla_ros.action_space.card import CARD_FILE
from rt_vla_ros.cli.card.guesses import guess_card, guess_topics, topic_map_text
from rt_vla_ros.cli.card.options import camera_pair
from rt_vla_ros.cli.main import refused
from rt_vla_ros.recording.topic_map import TOPICS_FILE
from zenoh_ros.commands.errors import CliError
from zenoh_ros.wire.printable import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from-graph", action="store_true", required=True, help="inspect the running ROS graph")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="output directory; must not contain a card"
    )
    cameras = "cameras of the policy, in order (default: all found)"
    parser.add_argument("--cameras", type=camera_pair, nargs="+", metavar="NAME=TOPIC", help=cameras)
    parser.add_argument("--rate", type=float, metavar="HZ", help="actions per second (default: guessed)")


@refused(ImportError, ValueError)
def run(args: argparse.Namespace) -> int:
    """Return 0 if both files are written; nothing is overwritten."""
    card_path, topics_path = args.out / CARD_FILE, args.out / TOPICS_FILE
    for path in (card_path, topics_path):
        if path.exists():
            raise CliError(f"{path} already exists; choose another directory, or move it away.")
    if args.rate is not None and not (args.rate.is_integer() and args.rate >= 1):
        raise CliError(
            f"--rate is {args.rate:g}, expected 1, 2, 3 ...: datasets need a whole number of frames per second."
        )
    names = [name for name, _ in args.cameras or ()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise CliError(f"--cameras has {twice!r} twice; camera names must be unique.")
    ros.ensure()
    from rt_vla_ros.cli.card.graph_survey import LISTENING, survey_graph

    print(f"Listening for {LISTENING:g} s and more ...", flush=True)
    survey = survey_graph()
    topics = guess_topics(survey, None if args.cameras is None else dict(args.cameras))
    card = guess_card(survey, topics, args.rate)
    args.out.mkdir(parents=True, exist_ok=True)
    card.save(args.out)
    topics_path.write_text(topic_map_text(topics), encoding="utf-8")
    for name, value in topics.entries.items():
        print(printable(f"  {name}: {', '.join(value) if isinstance(value, list) else value}"))
    print(f"\nWritten: {card_path} and {topics_path}. To be confirmed:")
    told = [f"{topics_path}: {name}: {text}" for name, text in topics.doubts.items()]
    told += [f"{card_path}: {note.partition(': ')[2]}" for note in card.notes]
    for number, text in enumerate(told, 1):
        print(printable(f"{number:3}. {text}"))
    print(f"\nThen: rt-vla card check {args.out} --topics {topics_path}")
    return 0
