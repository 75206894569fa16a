"""Checkpoints from the Hugging Face Hub: weights, configuration and tokenizer, never code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, constants, snapshot_download
from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError
from huggingface_hub.utils.tqdm import tqdm

from rt_vla_ros.policies.checkpoint.errors import CheckpointError
from rt_vla_ros.policies.checkpoint.files import Tell, say_nothing
from rt_vla_ros.policies.checkpoint.relatives import check_relative

PAUSE = 2.0
"""Interval of progress messages of a download [s]."""
PATIENCE = 10.0
"""Timeout of the Hub's list of a model's files [s]."""
WEIGHTS = "*.safetensors"
FILES = ("*.json", "*.txt", "*.model", "*.jinja", "*dataset_stats.pkl", "*config.yaml")
"""Other files to download: no code, and no weights in formats that can contain code.

VLA-0's pickled statistics are parsed without executing them (rt2.vla0.pickled_numbers).
"""
RESULTS = "*_eval_*/*"
"""Thousands of evaluation results in VLA-0's repository, not downloaded."""


def download(hub_id: str, tell: Tell = say_nothing, *, weights: bool = True) -> Path:
    """Downloads the checkpoint OWNER/NAME into the standard Hub cache and returns its directory.

    weights: whether to download the weights too. Cached files are not downloaded again.
    Raises CheckpointError if the download fails.
    """
    tell(f"looking for {hub_id} on the Hugging Face Hub")
    _check_kind(hub_id)
    try:
        wanted = [*FILES, WEIGHTS] if weights else list(FILES)
        return Path(snapshot_download(hub_id, allow_patterns=wanted, ignore_patterns=[RESULTS], tqdm_class=_bar(tell)))
    except Exception as error:  # the client's network errors have no common base class
        raise CheckpointError(
            f"{hub_id!r} cannot be downloaded from the Hugging Face Hub ({constants.ENDPOINT}): {_reason(error)} "
            "Without access to the Hub, use a local directory with the model's files; on a machine with access, "
            f"`hf download {hub_id} --local-dir DIRECTORY` creates it."
        ) from error


def _check_kind(hub_id: str) -> None:
    """Checks the names of all files in the repository, downloaded or not. Raises CheckpointError."""
    try:
        model = HfApi().model_info(hub_id, revision="main", timeout=PATIENCE)
    except Exception:  # as above; cached files can be used anyway
        return
    check_relative(hub_id, [file.rfilename for file in model.siblings or ()], model.config or {}, hub_id)


def _reason(error: Exception) -> str:
    if isinstance(error, GatedRepoError):
        return "its terms must be accepted first. Do so on its page, then log in: `hf auth login`."
    if isinstance(error, RepositoryNotFoundError):
        return "it does not exist, or it is private and you are not logged in (`hf auth login`)."
    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set, and its files are not in the cache of this machine. Unset it to download them."
    words = " ".join((str(error).strip() or type(error).__name__).splitlines()[0].split())[:300]
    return words if words.endswith(".") else f"{words}."


def _bar(tell: Tell) -> type[Any]:
    """A progress bar class that reports to `tell`."""

    class Bar(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            fixed = {"disable": False, "mininterval": PAUSE, "delay": PAUSE}
            super().__init__(*args, **{**options, **fixed})  # type: ignore[no-untyped-call]

        def display(self, *_args: Any, **_options: Any) -> bool:
            if self.unit == "B" and self.total and self.n < self.total:
                tell(f"downloading, {self.n:,} of {self.total:,} bytes")
            return True

    return Bar
