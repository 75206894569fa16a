from __future__ import annotations

import errno
from pathlib import Path

import pytest

from rt_vla_ros.os_error import in_words


def test_path_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(FileExistsError) as caught:
        (tmp_path / "run").mkdir()
    assert in_words(caught.value) == (
        f"{tmp_path / 'run'}: a file of this name exists; choose another path or remove the file."
    )


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space"), "No space left on the disk; free some space or choose another path."),
        (OSError("model/ is a file, expected a directory."), "model/ is a file, expected a directory."),
        (OSError(errno.EPIPE, "Broken pipe"), "[Errno 32] Broken pipe"),
    ],
)
def test_without_a_path_or_a_meaning(error: OSError, sentence: str) -> None:
    assert in_words(error) == sentence
