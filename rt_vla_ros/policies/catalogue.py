"""Which policies there are, by name or path. Loads none of them, and not torch either."""

from __future__ import annotations

import difflib
from pathlib import Path

CHECKPOINTS = Path(__file__).resolve().parent.parent / "checkpoints"
CONFIG_FILE = "config.json"
UNTRAINED = "rt1-untrained"


class UnknownPolicyError(ValueError):
    """No policy of this name or at this path; the message lists what there is."""


def policy_names() -> list[str]:
    """Names that `load_policy` knows: the shipped checkpoints, and one with random weights."""
    shipped = sorted(path.parent.name for path in CHECKPOINTS.glob(f"*/{CONFIG_FILE}"))
    return [*shipped, UNTRAINED]


def find_checkpoint(name_or_path: str) -> Path | None:
    """The directory of a policy; None for the one with random weights, which is made in memory.

    Raises UnknownPolicyError.
    """
    if not name_or_path.strip():
        raise UnknownPolicyError(f"No policy was named. {_choices()}")
    if name_or_path == UNTRAINED:
        return None
    shipped = CHECKPOINTS / name_or_path
    if "/" not in name_or_path and (shipped / CONFIG_FILE).is_file():
        return shipped
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return path
    close = difflib.get_close_matches(name_or_path, policy_names(), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    raise UnknownPolicyError(f"There is no policy {name_or_path!r}.{hint} {_choices()}")


def _choices() -> str:
    return f"There are: {', '.join(policy_names())}; or give the path of a directory with a checkpoint."
