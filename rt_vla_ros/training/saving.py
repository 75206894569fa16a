"""How a run is saved, and the errors where that fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from rt_vla_ros.os_error import in_words


class TrainingError(ValueError):
    """The run cannot begin or go on; the message says why, and what stands."""


@contextmanager
def saving(what: str, directory: Path, stands: str) -> Iterator[None]:
    """OSError and SafetensorError become a TrainingError.

    what: is saved. directory: of the run. stands: what was saved before and can be used.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        why = in_words(error) if isinstance(error, OSError) else f"{error}."
        raise TrainingError(
            f"{what} could not be saved in {directory}: {why} What was saved before is whole ({stands}); when that is "
            "corrected, the same command resumes."
        ) from error
