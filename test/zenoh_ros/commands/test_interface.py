"""`rt-vla interface`: types that are built in, and those of a package on AMENT_PREFIX_PATH."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from rt_vla_ros import ros

ros.ensure()

from rt_vla_ros.cli.main import main  # noqa: E402
from zenoh_ros.wire import message_packages, types  # noqa: E402

from .conftest import grip_package  # noqa: E402


@pytest.fixture
def sourced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A package `grip_msgs` is on AMENT_PREFIX_PATH."""
    monkeypatch.setenv("AMENT_PREFIX_PATH", grip_package(tmp_path))
    message_packages.install()
    yield
    monkeypatch.undo()
    message_packages.install()


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["interface", *arguments]) == 0
    return capsys.readouterr().out


def test_types_and_packages_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, "list").splitlines()
    assert lines[0] == "Messages:"
    assert lines.index("    std_msgs/msg/String") < lines.index("Services:") < lines.index("    std_srvs/srv/SetBool")
    assert "Services:" not in shown(capsys, "list", "-m")
    assert "    rt_vla_ros/srv/Ask" in shown(capsys, "list", "-s").splitlines()
    assert shown(capsys, "list", "-a").splitlines() == [
        "Actions:",
        *(f"    {name}" for name in types.action_names()),
    ]
    assert "rt_vla_ros/action/ExecuteInstruction" in types.action_names()
    assert shown(capsys, "package", "std_srvs").split() == [
        f"std_srvs/srv/{name}" for name in ("Empty", "SetBool", "Trigger")
    ]
    assert shown(capsys, "package", "--only-msgs", "rt_vla_ros").split() == [
        name for name in types.message_names() if name.startswith("rt_vla_ros/")
    ]
    assert {"std_msgs", "rt_vla_ros"} <= set(shown(capsys, "packages").split())
    assert "std_msgs" not in shown(capsys, "packages", "-s").split()


def test_a_definition_is_shown_with_what_is_within(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "show", "geometry_msgs/msg/PointStamped") == (
        "std_msgs/Header header\n"
        "\tbuiltin_interfaces/Time stamp\n\t\tint32 sec\n\t\tuint32 nanosec\n\tstring frame_id\n"
        "geometry_msgs/Point point\n\tfloat64 x\n\tfloat64 y\n\tfloat64 z\n"
    )
    assert shown(capsys, "show", "std_srvs/srv/SetBool") == "bool data\n---\nbool success\nstring message\n"
    assert shown(capsys, "show", "sensor_msgs/msg/RegionOfInterest").splitlines()[-1] == "bool do_rectify"
    assert "int8 STATUS_NO_FIX=-1\n" in shown(capsys, "show", "sensor_msgs/msg/NavSatStatus")


def test_comments_are_the_files_own(sourced: Any, capsys: pytest.CaptureFixture[str]) -> None:
    head, part = "uint8 FIRM=3\nstring[] names", "\tbuiltin_interfaces/Time seen\n\t\tint32 sec\n\t\tuint32 nanosec\n"
    rest = f"float64 force 1.0\nPart[2] parts\n{part}uint8 hold\n"
    commented = f"# How to hold.\n{head}  # of grippers\n"
    assert shown(capsys, "show", "grip_msgs/msg/Grip") == commented + rest
    assert shown(capsys, "show", "--no-comments", "grip_msgs/msg/Grip") == f"{head}\n{rest}"
    assert "\t# A part.\n" in shown(capsys, "show", "--all-comments", "grip_msgs/msg/Grip")
    assert shown(capsys, "package", "grip_msgs").split() == [
        "grip_msgs/msg/Grip", "grip_msgs/msg/Part", "grip_msgs/srv/Hold",
    ]  # fmt: skip


def test_the_name_may_come_from_a_pipe(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("std_msgs/msg/Bool\n"))
    assert shown(capsys, "show", "-") == "bool data\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["show", "std_msgs/msg/Sting"],
            "no type 'std_msgs/msg/Sting'; expected package/msg/Name, package/srv/Name or package/action/Name. Did",
        ),
        (["show", ""], "no type ''"),
        (["package", "std_msg"], "no package 'std_msg' with interface types. Did you mean 'std_msgs'?"),
    ],
)
def test_what_there_is_not_is_said(capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str) -> None:
    assert main(["interface", *arguments]) == 2
    assert sentence in capsys.readouterr().err


def test_a_sourced_packages_types_can_be_imported(sourced: Any) -> None:
    from grip_msgs.msg import Grip  # type: ignore[import-not-found]
    from grip_msgs.srv import Hold  # type: ignore[import-not-found]

    grip = Grip(names=["left"])
    assert (grip.force, Grip.FIRM, len(grip.parts)) == (1.0, 3, 2)
    assert Hold.Request(grip=grip).grip.names == ["left"]
    assert types.type_hash("grip_msgs/srv/Hold").startswith("RIHS01_")


def test_a_sourced_file_that_is_none_is_said(sourced: Any, tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "share/bad_msgs/msg").mkdir(parents=True)
    for name, text in {"Broken": "42 : no message\n", "Holds": "nobody_msgs/Thing thing\n"}.items():
        (tmp_path / f"share/bad_msgs/msg/{name}.msg").write_text(text)
    from zenoh_ros.wire import type_files

    type_files._files_on.cache_clear()
    message_packages.install()
    assert main(["topic", "pub", "/x", "bad_msgs/msg/Broken"]) == 2
    assert f"cannot be read from {tmp_path}/share/bad_msgs/msg/Broken.msg" in capfd.readouterr().err
    assert main(["topic", "pub", "/x", "bad_msgs/msg/Holds"]) == 2
    assert "unknown ROS type 'nobody_msgs/msg/Thing'" in capfd.readouterr().err
