from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.datasets import CARD, make_episode, write_dataset
from support.launching import REPOSITORY

from rt_vla_ros.cli.main import main
from rt_vla_ros.data.parquet import arrow, read_table, write_table
from rt_vla_ros.policies.load import load_policy
from rt_vla_ros.policies.tabletop_card import tabletop_card
from rt_vla_ros.training.settings_file import load_settings

OPTIONS = ["--batch-size", "1", "--save-interval", "1", "--threads", "1", "--device", "cpu"]


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "set", [make_episode(seed, length=6) for seed in range(3)])


@pytest.mark.slow
def test_a_killed_run_resumes(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, data = str(tmp_path / "run"), str(dataset)
    command = ["train", "rt1", "--data", data, "--out", out, *OPTIONS, "--steps"]
    child = [sys.executable, "-m", "rt_vla_ros.cli", *command, "100000"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(child, cwd=REPOSITORY, env=environment, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "run/losses.jsonl").exists() and time.monotonic() < deadline:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    done = len((tmp_path / "run/losses.jsonl").read_text().splitlines())
    load_policy(str(tmp_path / "run/checkpoint"), device="cpu")
    assert main([*command, str(done + 3)]) == 2  # another length is another run
    assert "different settings (steps 100000, not" in capsys.readouterr().err
    settings = tmp_path / "run/settings.json"
    settings.write_text(settings.read_text().replace("100000", str(done + 3)))
    assert main([*command, str(done + 3)]) == 0
    said = capsys.readouterr().out
    assert "Resuming after step" in said
    assert "Policy: " in said
    rows = (tmp_path / "run/losses.jsonl").read_text().splitlines()
    assert len(rows) >= done + 2


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def spoil_an_action(path: Path) -> None:
    table = read_table(path)
    values = table.column("action").to_pylist()
    values[1][2] = float("nan")
    column = arrow().array(values, table.schema.field("action").type)
    write_table(table.set_column(table.schema.get_field_index("action"), "action", column), path)


def test_bad_datasets_are_refused_with_a_sentence(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, video = dataset / "data/chunk-000/file-000.parquet", next(dataset.rglob("*.mp4"))

    def refused(*more: Path) -> str:
        names = [str(path) for path in (dataset, *more)]
        assert main(["train", "rt1", "--data", *names, "--out", str(tmp_path / "run"), *OPTIONS]) == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
        return said

    whole = table.read_bytes()
    spoil_an_action(table)
    assert "episode 0: The episode's values are not finite at 1 of 6 time steps, first at number 1" in refused()
    table.write_bytes(whole)
    other = [make_episode(seed, card=replace(CARD, control_rate=10.0), stamps=np.arange(6) / 10) for seed in range(2)]
    fast = write_dataset(tmp_path / "fast", other, replace(CARD, control_rate=10.0))
    assert "has a different action card" in refused(fast)
    assert "control_rate 10.0 instead of 5.0" in refused(fast)
    cut(table)
    assert "file-000.parquet is damaged or truncated" in refused()
    table.write_bytes(whole)
    video.unlink()
    assert "file-000.mp4 is missing" in refused()
    empty = write_dataset(tmp_path / "empty", [])
    assert main(["train", "rt1", "--data", str(empty), "--out", str(tmp_path / "run")]) == 2
    assert "has no episodes; collect some: rt-vla collect" in capsys.readouterr().err
    assert not (tmp_path / "run/checkpoint").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--intervention-weight", "nan"], "The weight of interventions is nan, expected a number, 0 or more."),
        (["--before-takeover", "-1"], "The time before a takeover is -1.0, expected a number, 0 or more."),
        (["--intervention-weight", "4"], "no frame of the datasets is an intervention"),
        (["--commanders", "humna"], "There is no commander 'humna'; there are human, policy, expert."),
        (["--commanders", "human"], "no dataset says who commanded"),
        (["--weights", "1", "2"], "There are 2 weights for 1 datasets"),
        (["--weights", "0"], "All datasets have weight 0"),
        (["--commanders", "human", "--teacher", "rt1-mini"], "The teacher 'rt1-mini' does not fit the dataset"),
    ],
)
def test_weights_that_mean_nothing_are_refused(
    dataset: Path, tmp_path: Path, options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "rt1", "--data", str(dataset), *options, "--out", str(tmp_path / "run"), *OPTIONS]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["rt1"], "give either --data DIR ... to train from datasets, or --recipe NAME"),
        (["rt1", "--data", "x", "--recipe", "rt1-mini"], "give either --data"),
        (["rt3", "--data", "x"], "invalid choice: 'rt3'"),
        (["rt1", "--data", "x", "--base", "small"], "--base is an option of rt-vla train rt2."),
        (["rt2", "--base", "small", "--teacher", "x"], "--teacher is an option of rt-vla train rt1."),
        (
            ["rt1", "--recipe", "rt1-mini", "--teacher", "rt2-minni"],
            "There is no policy 'rt2-minni' and no directory",
        ),
        (["rt1", "--recipe", "rt1-mini", "--remote-jpeg", "80"], "--remote-... are for a teacher; give one"),
        (["rt2", "--base", "small", "--weights", "1", "2"], "--weights is an option of rt-vla train rt1."),
        (["rt1", "--data", "x", "--share", "x=0.5"], "--share is an option of rt-vla train rt2."),
        (
            ["rt1", "--recipe", "rt1-mini", "--weights", "1", "--commanders", "human"],
            "--weights, --commanders requires",
        ),
        (["rt1", "--recipe", "rt1-minni"], "there is no recipe 'rt1-minni'. Did you mean 'rt1-mini'?"),
        (
            ["rt1", "--recipe", "rt1-mini", "--validation", "0.2", "--cache-frames"],
            "--validation, --cache-frames requires --data and cannot be used with --recipe.",
        ),
        (["rt1", "--data", "x", "--collectors", "9"], "--collectors requires --recipe and cannot be used with --data."),
        (
            ["rt2", "--base", "small", "--collectors", "9"],
            "--collectors requires --recipe rt2-mini, which generates its data",
        ),
        (["rt2", "--recipe", "vla0", "--base", "x", "--num-workers", "0"], "--num-workers requires --recipe rt2-mini"),
        (["rt1", "--recipe", "rt1-mini", "--set", "reuse"], "'reuse' sets nothing; expected KEY=VALUE"),
        (["rt1", "--data", "x", "--preset", "rt1-minni"], "no preset 'rt1-minni'. Did you mean 'rt1-mini'?"),
        (["rt1", "--data", "nowhere"], "nowhere is not a dataset in LeRobot format"),
    ],
)
def test_refuses_with_a_sentence(
    options: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", *options, "--out", str(tmp_path / "run")]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--validation", "nan"], "validation is 'nan', expected something like 0.1"),
        (["--validation", "1.5"], "validation is 1.5, expected 0 to 0.9."),
        (["--set", "jitter=-1"], "jitter is -1, expected 0 to 1."),
        (["--init-from", "/nope"], "There is no policy '/nope'"),
        (["--set", "network.language=embedding"], "The network's language is 'embedding' and the settings' is ''"),
    ],
)
def test_impossible_settings_are_refused_before_videos_are_decoded(
    options: list[str], sentence: str, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(
            [
                "train",
                "rt1",
                "--data",
                str(dataset),
                "--out",
                str(tmp_path / "run"),
                "--cache-frames",
                *OPTIONS,
                *options,
            ]
        )
        == 2
    )
    said = capsys.readouterr()
    assert sentence in said.err
    assert "decoding" not in said.out
    assert not (tmp_path / "run/frames").exists()


def test_the_same_dataset_twice_is_refused(dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = str(dataset.parent / "." / ".." / dataset.parent.name / dataset.name)
    for both in ([str(dataset), again], [str(dataset), "--data", again]):
        assert main(["train", "rt1", "--data", *both, "--out", str(tmp_path / "run")]) == 2
        assert "--data names the same dataset more than once" in capsys.readouterr().err


def test_a_file_where_the_run_should_be_is_said(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").write_text("")
    assert main(["train", "rt1", "--data", str(dataset), "--out", str(tmp_path / "run"), *OPTIONS]) == 2
    assert f"{tmp_path / 'run'}: a file of this name exists; choose another path" in capsys.readouterr().err


@pytest.mark.slow
def test_a_recipe_is_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a real collector, for a network of both cameras, the arm's state and two steps at once."""
    settings = (
        "network.image_size=32",
        "network.num_cameras=2",
        "network.state_size=8",
        "network.horizon=2",
        "dagger.first_frames=3",
        "dagger.episode_steps=4",
        'dagger.suites=["pick-any"]',
    )
    changes = [part for setting in settings for part in ("--set", setting)]
    command = ["train", "rt1", "--recipe", "rt1-mini", "--out", str(tmp_path), "--steps", "2", "--batch-size", "1"]
    assert main([*command, "--device", "cpu", *changes, "--evaluate", "0"]) == 0
    assert f"Policy: {tmp_path / 'checkpoint'}" in capsys.readouterr().out
    saved = load_settings(tmp_path)
    assert saved.dagger is not None
    assert (saved.steps, saved.batch_size, saved.dagger.suites) == (2, 1, ("pick-any",))
    card = load_policy(str(tmp_path / "checkpoint"), device="cpu").card
    assert [(camera.name, camera.width) for camera in card.cameras] == [("front", 32), ("wrist", 32)]
    assert (len(card.state), card.horizon) == (8, 2)
    assert "RGB images of front and wrist (32x32 pixels)" in (tmp_path / "checkpoint/DATA_CARD.md").read_text()


@pytest.mark.slow
def test_a_recipe_is_followed_with_a_teacher(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It labels in the collector's process."""
    changes = [part for name in ("first_frames=3", "episode_steps=4") for part in ("--set", f"dagger.{name}")]
    command = ["train", "rt1", "--recipe", "rt1-mini", "--teacher", "rt1-mini-h4", "--out", str(tmp_path)]
    command += ["--steps", "1", "--batch-size", "1", "--device", "cpu", "--evaluate", "0", *changes]
    assert main(command) == 0
    assert f"Policy: {tmp_path / 'checkpoint'}" in capsys.readouterr().out
    assert load_settings(tmp_path).teacher == "rt1-mini-h4"
    assert "| the teacher `rt1-mini-h4` |" in (tmp_path / "checkpoint/DATA_CARD.md").read_text()


def test_a_teachers_labels_are_told_and_learned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    card = tabletop_card("table")
    data = write_dataset(tmp_path / "set", [make_episode(seed, 5, card) for seed in range(2)], card)
    command = ["train", "rt1", "--data", str(data), "--out", str(tmp_path / "run"), *OPTIONS, "--steps", "1"]
    assert main([*command, "--teacher", "rt1-mini"]) == 0
    said = capsys.readouterr().out
    assert "loading the teacher rt1-mini\n" in said
    assert "10 frames are labeled by the teacher rt1-mini. The recorded actions differ in translation_x by " in said
    assert "The teacher's actions outside the action card's ranges: none." in said
    assert main(command) == 2
    assert "contains a run with different settings (teacher 'rt1-mini', not ''; datasets '" in capsys.readouterr().err


def test_frames_are_cached_where_that_is_asked_for(
    dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "rt1", "--data", str(dataset), "--out", str(tmp_path / "run"), *OPTIONS, "--steps", "1"]
    assert main(command) == 0
    assert not (tmp_path / "run/frames").exists()
    assert main([*command, "--cache-frames"]) == 0
    assert "the decoded frames need 55,296 bytes in" in capsys.readouterr().out
