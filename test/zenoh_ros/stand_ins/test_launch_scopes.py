"""What begins later belongs to the scope that it was written in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.launching import launch_entities

from rt_vla_ros import ros

ros.ensure()

from launch.actions import (  # noqa: E402
    DeclareLaunchArgument,
    ExecuteProcess,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    SetLaunchConfiguration,
    TimerAction,
)
from launch.event_handlers import OnProcessExit, OnProcessStart, OnShutdown  # noqa: E402
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, ThisLaunchFileDir  # noqa: E402
from launch_ros.actions import PushRosNamespace, SetParameter, SetRemap  # noqa: E402


class Seen(list):  # type: ignore[type-arg]
    """Collects what the scope holds while a description runs."""

    def note(self) -> OpaqueFunction:
        names = ("arm", "ros_namespace", "global_params", "ros_remaps")
        variable = EnvironmentVariable("ARM", default_value="-")

        def look(context: Any) -> None:
            known = context.launch_configurations
            self.append((variable.perform(context), *[known.get(name) for name in names]))

        return OpaqueFunction(function=look)


INSIDE = ("left", "left", "/left", [("speed", 2)], [("image", "/left/image")])
OUTSIDE = ("-", None, None, None, None)


def group(*late: Any) -> GroupAction:
    settings = [
        SetEnvironmentVariable("ARM", "left"),
        SetLaunchConfiguration("arm", "left"),
        PushRosNamespace("left"),
        SetParameter("speed", 2),
        SetRemap("image", "/left/image"),
    ]
    return GroupAction([*settings, *late])


def begun_later(note: Any) -> dict[str, list[Any]]:
    process = ExecuteProcess(cmd=["true"])
    return {
        "timer": [TimerAction(period=0.01, actions=[note])],
        "timer in a timer": [TimerAction(period=0.01, actions=[TimerAction(period=0.01, actions=[note])])],
        "group in a timer": [TimerAction(period=0.01, actions=[GroupAction([note])])],
        "start": [RegisterEventHandler(OnProcessStart(target_action=process, on_start=[note])), process],
        "exit": [RegisterEventHandler(OnProcessExit(target_action=process, on_exit=[note])), process],
        "function": [RegisterEventHandler(OnProcessExit(on_exit=lambda event, context: [note])), process],
        "on_exit": [ExecuteProcess(cmd=["true"], on_exit=[note])],
        "shutdown": [RegisterEventHandler(OnShutdown(on_shutdown=[note]))],
    }


@pytest.mark.parametrize("way", begun_later(Seen().note()))
def test_a_groups_scope_outlives_the_group(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARM", raising=False)
    seen = Seen()
    after = Seen()
    assert launch_entities(group(*begun_later(seen.note())[way]), after.note()) == 0
    assert seen == [INSIDE]
    assert after == [OUTSIDE]


def test_two_groups_keep_apart_and_nothing_leaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ARM", raising=False)
    seen, after = Seen(), Seen()
    groups = [
        GroupAction([SetLaunchConfiguration("arm", arm), TimerAction(period=wait, actions=[seen.note()])])
        for arm, wait in (("left", 0.02), ("right", 0.01))
    ]
    leaking = TimerAction(period=0.0, actions=[SetLaunchConfiguration("arm", "none")])
    assert launch_entities(*groups, leaking, TimerAction(period=0.05, actions=[after.note()])) == 0
    assert [arm for _, arm, *_ in seen] == ["right", "left"]
    assert after == [OUTSIDE]


def test_a_timer_keeps_what_was_so_when_it_was_set() -> None:
    seen = Seen()
    timer = TimerAction(period=0.01, actions=[seen.note()])
    assert launch_entities(SetLaunchConfiguration("arm", "first"), timer, SetLaunchConfiguration("arm", "second")) == 0
    assert [arm for _, arm, *_ in seen] == ["first"]


def test_what_is_declared_after_a_handler_is_seen_by_it() -> None:
    """Many launch files declare their arguments last."""
    seen = Seen()
    process = ExecuteProcess(cmd=["true"])
    handler = RegisterEventHandler(OnProcessExit(target_action=process, on_exit=[seen.note()]))
    timer = TimerAction(period=0.01, actions=[seen.note()])
    assert launch_entities(handler, timer, process, DeclareLaunchArgument("arm", default_value="both")) == 0
    assert [arm for _, arm, *_ in seen] == ["both", "both"]


def test_a_late_include_finds_the_files_beside_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    outer = tmp_path / "outer.launch.py"
    outer.write_text(
        "from launch import LaunchDescription\n"
        "from launch.actions import ExecuteProcess, IncludeLaunchDescription, LogInfo\n"
        "from launch.substitutions import ThisLaunchFileDir\n"
        "def generate_launch_description():\n"
        "    on_exit = [LogInfo(msg=['in ', ThisLaunchFileDir()])]\n"
        "    return LaunchDescription([ExecuteProcess(cmd=['true'], on_exit=on_exit)])\n"
    )
    assert launch_entities(IncludeLaunchDescription(str(outer))) == 0
    assert f": in {tmp_path}\n" in capfd.readouterr().out


def test_what_is_described_has_no_address() -> None:
    from launch import LaunchDescription, LaunchIntrospector

    things = [
        RegisterEventHandler(OnProcessExit(on_exit=lambda event, context: None)),
        OpaqueFunction(function=print),
        ExecuteProcess(cmd=["echo", LaunchConfiguration("x")]),
        IncludeLaunchDescription([ThisLaunchFileDir(), "/x.launch.py"]),
        TimerAction(period=LaunchConfiguration("wait"), actions=[group()]),
    ]
    text = LaunchIntrospector().format_launch_description(LaunchDescription(things))
    assert " at 0x" not in text + repr(things)
    assert "ExecuteProcess(cmd=['echo', LaunchConfig('x')])" in text
    assert text.splitlines()[-1] == "        └── PopLaunchConfigurations()"
