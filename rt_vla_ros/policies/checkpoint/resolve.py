"""Which policies there are, by name or path. Loads none of them, and not torch either."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from pathlib import Path

CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"
CONFIG_FILE = "config.json"
UNTRAINED = "rt1-untrained"
UNTRAINED_RT2 = "rt2-untrained"
MADE_IN_MEMORY = (UNTRAINED, UNTRAINED_RT2)
"""Policies with random weights, for which there are no files."""
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
"""OWNER/NAME on the Hugging Face Hub."""
WEIGHTS = ("auto", "float32", "bfloat16", "int8", "int4")
"""How a policy's weights can be held; auto: bfloat16 for RT-2 on a GPU, float32 for everything else."""


class UnknownPolicyError(ValueError):
    """No policy of this name or at this path; the message lists what there is."""


def policy_names() -> list[str]:
    """Names that `load_policy` knows: the shipped checkpoints, and those with random weights."""
    shipped = sorted(path.parent.name for path in CHECKPOINTS.glob(f"*/{CONFIG_FILE}"))
    return [*shipped, *MADE_IN_MEMORY]


def find_checkpoint(name_or_path: str) -> Path | None:
    """The directory of a policy; None for those with random weights, which are made in memory.

    DIRECTORY#KEY names one of several statistics of an OpenVLA checkpoint; the key is not looked at here.

    Raises UnknownPolicyError.
    """
    if not name_or_path.strip():
        raise UnknownPolicyError(f"No policy was named. {_choices()}")
    if name_or_path in MADE_IN_MEMORY:
        return None
    shipped = CHECKPOINTS / name_or_path
    if "/" not in name_or_path and (shipped / CONFIG_FILE).is_file():
        return shipped
    for name in (name_or_path, name_or_path.rpartition("#")[0]):
        path = Path(name).expanduser()
        if name and path.is_dir():
            return path
    close = difflib.get_close_matches(name_or_path, policy_names(), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise UnknownPolicyError(f"There is no policy {name_or_path!r}.{hint} {_choices()}")


def check_name(name_or_path: str) -> None:
    """Raises UnknownPolicyError for what is no policy here and can be none on the Hugging Face Hub; it is not asked."""
    if not is_on_hub(name_or_path):
        find_checkpoint(name_or_path)


def find_or_download(name_or_path: str, tell: Callable[[str], None] = lambda _sentence: None) -> Path | None:
    """As find_checkpoint; and OWNER/NAME of the Hugging Face Hub, where no such directory is here, is downloaded.

    tell: gets a sentence now and then about how far that is.
    """
    try:
        return find_checkpoint(name_or_path)
    except UnknownPolicyError as error:
        hub_id = name_or_path.partition("#")[0]
        if not HUB_ID.fullmatch(hub_id):
            raise
        # Takes seconds to import, and is seldom wanted.
        from rt_vla_ros.policies.checkpoint.hub import download

        try:
            return download(hub_id, tell)
        except ValueError as reason:
            raise UnknownPolicyError(f"{error} And {reason}") from reason


def statistics_key(name_or_path: str) -> str:
    """KEY of DIRECTORY#KEY or OWNER/NAME#KEY; empty where there is none."""
    path, hash_sign, key = name_or_path.rpartition("#")
    return key if path and hash_sign and not Path(name_or_path).expanduser().is_dir() else ""


def is_on_hub(name_or_path: str) -> bool:
    """Whether this can only mean OWNER/NAME on the Hugging Face Hub."""
    try:
        find_checkpoint(name_or_path)
    except UnknownPolicyError:
        return HUB_ID.fullmatch(name_or_path.partition("#")[0]) is not None
    return False


def whole_path(name_or_path: str, directory: Path | None) -> str:
    """The same policy for a process in another directory. directory: what was found for the name."""
    if directory is None or is_on_hub(name_or_path):
        return name_or_path
    key = statistics_key(name_or_path)
    return f"{directory.resolve()}#{key}" if key else str(directory.resolve())


def _choices() -> str:
    return f"There are: {', '.join(policy_names())}; or give the path of a directory with a checkpoint."
