"""The recorder node's parameters: those of a topic map, and what is recorded where."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from typing import Any

from rt_vla_ros.data.video import CODECS
from rt_vla_ros.nodes.parameters import Parameter
from rt_vla_ros.recording.topic_map import TopicMap


def _parameter(one: Field[Any]) -> Parameter:
    """An entry of a topic map."""
    default: Any = one.default if one.default_factory is MISSING else one.default_factory()
    value = list(default) if isinstance(default, tuple) else default
    about = one.metadata
    return Parameter(one.name, value, about["text"], about["low"], about["high"], about["choices"])


RECORDER_PARAMETERS = (
    *map(_parameter, fields(TopicMap)),
    Parameter("card", "", "Action card: file or directory."),
    Parameter("out", "", "Dataset directory; resumes if it exists."),
    Parameter(
        "instruction",
        "",
        "Instruction of episodes started without one; empty: the last on the topic.",
    ),
    Parameter(
        "codec",
        "lossless",
        "Video codec. lossless: exact pixels; h264, av1: small files, as in LeRobot.",
        choices=tuple(CODECS),
    ),
)
