from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.launching import child_environment
from support.rlds_files import copy_rlds, make_example, write_rlds

from rt_vla_ros.cli.main import main


def test_rt1s_own_data_is_known_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory, new = copy_rlds(tmp_path / "0.1.0"), tmp_path / "new"
    assert main(["data", "from-rlds", str(directory), "--out", str(new)]) == 0
    assert capsys.readouterr().out.endswith(f"{new}: 6 episodes, 39 frames.\n")
    assert main(["data", "from-rlds", str(directory), "--out", str(new)]) == 2
    assert "already exists; choose a new directory" in capsys.readouterr().err


def test_some_files_and_episodes_without_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    silent = {"steps/observation/natural_language_instruction": [b""] * 5}
    examples = [make_example(0), make_example(1, **silent), make_example(2)]  # type: ignore[arg-type]
    directory, new = write_rlds(tmp_path / "rlds", examples), tmp_path / "new"
    sorted(directory.glob("*tfrecord*"))[1].unlink()
    convert = ["data", "from-rlds", str(directory), "--out", str(new)]
    assert main(convert) == 2
    assert "1 of 2 record files found, fractal20220817_data-train" in capsys.readouterr().err
    assert main([*convert, "--partial"]) == 2
    assert (
        "record 1: step 0 has no instruction. Use --skip-unlabelled to skip such episodes." in capsys.readouterr().err
    )
    assert main([*convert, "--partial", "--skip-unlabelled"]) == 2
    assert "new.part was started with" in capsys.readouterr().err
    new = tmp_path / "other"
    assert main([*convert[:-1], str(new), "--partial", "--skip-unlabelled"]) == 0
    out = capsys.readouterr().out
    assert "Skipped 1 episodes without an instruction.\n" in out
    assert out.endswith(f"{new}: 1 episodes, 5 frames.\n")


def test_it_needs_no_tensorflow(tmp_path: Path) -> None:
    directory = copy_rlds(tmp_path / "0.1.0")
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'tensorflow_datasets'): sys.modules[name] = None\n"
        "from rt_vla_ros.cli.main import main\n"
        f"sys.exit(main(['data', 'from-rlds', {str(directory)!r}, '--out', {str(tmp_path / 'new')!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=child_environment())
    assert done.returncode == 0, done.stderr
