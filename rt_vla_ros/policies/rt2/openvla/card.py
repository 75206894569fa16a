"""What the actions of an OpenVLA checkpoint mean, and how it writes them. Loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rt_vla_ros.action_space.card import CARD_FILE, ActionCard, ActionCardError
from rt_vla_ros.json_file import read_object
from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.files import CONFIG_FILE, RT2_CONFIG_FILE
from rt_vla_ros.policies.rt2.configuration import OPENVLA_PROMPT, OPENVLA_QUESTION, RT2Config, RT2ConfigError
from rt_vla_ros.policies.rt2.decoding.action_vocabulary import OPENVLA_TAIL
from rt_vla_ros.policies.rt2.openvla.statistics import ROLES, card_from_statistics

if TYPE_CHECKING:
    from rt_vla_ros.policies.checkpoint.resolve import Checkpoint

STATISTICS = "dataset_statistics.json"
DEFAULTS = {"vocabulary": "openvla", "prompt": OPENVLA_PROMPT, "question": OPENVLA_QUESTION, "lower_case": True}
"""What rt2_config.json need not say: these go before the defaults of RT2Config."""


@dataclass(frozen=True)
class OpenVLASettings:
    """image_size: side of an image [pixels]. bins: of a dimension. image_token_id: what holds the place of a patch.

    padding: rows of the embedding table behind the last action token.
    """

    image_size: int
    bins: int
    image_token_id: int
    padding: int

    @classmethod
    def make(cls, data: Mapping[str, Any], directory: Path) -> OpenVLASettings:
        """data: config.json of the directory. Raises CheckpointError for what is no number of its kind."""
        path = directory / CONFIG_FILE
        sizes = data.get("image_sizes", [224])
        if not isinstance(sizes, list) or not sizes or not all(_is_whole(size, 1) for size in sizes):
            raise CheckpointError(f"{path}: image_sizes is {sizes!r}, expected a list of pixels such as [224, 224].")
        return cls(
            sizes[0],
            _whole(path, data, "n_action_bins", 256, least=2),
            _whole(path, data, "pad_token_id", 32000),
            _whole(path, data, "pad_to_multiple_of", OPENVLA_TAIL),
        )


def openvla_card(checkpoint: Checkpoint) -> ActionCard:
    """action_card.json where there is one, else a card made of the statistics of the data set.

    Raises ActionCardError, RT2ConfigError and CheckpointError.
    """
    settings = OpenVLASettings.make(checkpoint.config, checkpoint.model_directory)
    key = checkpoint.key or openvla_config(checkpoint).unnorm_key
    place = checkpoint.place_of(CARD_FILE)
    if (place / CARD_FILE).is_file():
        return _checked_card(ActionCard.load(place), place, settings.bins)
    own = checkpoint.place_of(STATISTICS) / STATISTICS
    path = own if own.is_file() else checkpoint.model_directory / CONFIG_FILE
    statistics = read_object(own, CheckpointError) if own.is_file() else checkpoint.config.get("norm_stats") or {}
    try:
        return card_from_statistics(statistics, key, bins=settings.bins, image_size=settings.image_size)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def openvla_config(checkpoint: Checkpoint) -> RT2Config:
    """OpenVLA's own settings, with what rt2_config.json says otherwise. Raises RT2ConfigError and CheckpointError."""
    path = checkpoint.place_of(RT2_CONFIG_FILE) / RT2_CONFIG_FILE
    data = read_object(path, RT2ConfigError) if path.is_file() else {}
    try:
        config = RT2Config.from_dict({**DEFAULTS, **data})
    except RT2ConfigError as error:
        raise RT2ConfigError(f"{path}: {error}") from error
    if config.vocabulary != "openvla":
        raise CheckpointError(f"{path} says {config.vocabulary!r} for an OpenVLA checkpoint.")
    return config


def _checked_card(card: ActionCard, place: Path, bins: int) -> ActionCard:
    pairs = (
        ("dimensions", len(card.dimensions), len(ROLES)),
        ("bins", card.bins, bins),
        ("quantization", card.quantization, "centers"),
    )
    for what, given, expected in pairs:
        if given != expected:
            raise ActionCardError(f"{place}: the action card says {what} {given}, an OpenVLA model has {expected}.")
    return card


def _whole(path: Path, data: Mapping[str, Any], key: str, usual: int, least: int = 0) -> int:
    value = data.get(key, usual)
    if not _is_whole(value, least):
        raise CheckpointError(f"{path}: {key} is {value!r}, expected a whole number of {least} or more, often {usual}.")
    return int(value)


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
