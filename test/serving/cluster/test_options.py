"""Options of --ray."""

from __future__ import annotations

import importlib.util

import pytest

from rt_vla_ros.cli.main import main
from rt_vla_ros.serving.cluster.options import ClusterOptions, parse_gpus, parse_replicas


@pytest.mark.parametrize(("text", "numbers"), [("1", (1, 1)), ("4", (4, 4)), ("1:8", (1, 8))])
def test_numbers_of_replicas(text: str, numbers: tuple[int, int]) -> None:
    assert parse_replicas(text) == numbers


@pytest.mark.parametrize("text", ["0", "0:2", "3:2", "-1", "two", "1:", "1001", ""])
def test_wrong_numbers_of_replicas(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected N or MIN:MAX with 1 <= MIN <= MAX <= 1000"):
        parse_replicas(text)


def test_gpus_of_a_replica() -> None:
    assert [parse_gpus(text) for text in ("0", "0.25", "2")] == [0.0, 0.25, 2.0]
    for text in ("-1", "1.5", "nan", "one"):
        with pytest.raises(ValueError, match="expected 0, a fraction up to 1 or a whole number"):
            parse_gpus(text)


def test_gpus_by_default_and_too_many() -> None:
    assert [ClusterOptions().gpus_of(available) for available in (0.0, 0.5, 4.0)] == [0.0, 0.5, 1.0]
    with pytest.raises(ValueError, match="4 replicas with 1 GPUs each need 4 GPUs, this machine has 2"):
        ClusterOptions(4, 4).gpus_of(2.0)
    assert ClusterOptions(4, 4, 0.5).gpus_of(2.0) == 0.5
    assert ClusterOptions(4, 4, address="head:6379").gpus_of(2.0) == 1.0, "an existing cluster may grow"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--replicas", "2"], "--replicas is for replicas on Ray: add --ray."),
        (["--ray", "--replicas", "2:1"], "expected N or MIN:MAX"),
        (["--ray", "--device", "cuda:1"], "Ray assigns the GPUs; use auto, cpu or cuda."),
    ],
)
def test_options_that_do_not_fit(options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "rt1-mini", *options]) != 0
    assert sentence in capsys.readouterr().err


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_the_command_that_installs_it_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "rt1-mini", "--ray"]) != 0
    assert "pip install 'rt_vla_ros[ray]'" in capsys.readouterr().err
