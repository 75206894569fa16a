"""Launch arguments, substitutions, conditions, scopes and includes: of the real launch as of the stand-in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.launching import launch_entities

from rt_vla_ros import ros

ros.ensure()

from launch import LaunchContext, LaunchDescription  # noqa: E402
from launch.actions import (  # noqa: E402
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    SetLaunchConfiguration,
    UnsetEnvironmentVariable,
)
from launch.conditions import (  # noqa: E402
    IfCondition,
    LaunchConfigurationEquals,
    LaunchConfigurationNotEquals,
    UnlessCondition,
)
from launch.event_handlers import OnProcessExit  # noqa: E402
from launch.launch_description_sources import (  # noqa: E402
    PythonLaunchDescriptionSource,
)
from launch.substitutions import (  # noqa: E402
    AndSubstitution,
    Command,
    EnvironmentVariable,
    EqualsSubstitution,
    FindExecutable,
    IfElseSubstitution,
    LaunchConfiguration,
    NotEqualsSubstitution,
    NotSubstitution,
    OrSubstitution,
    PathJoinSubstitution,
    PythonExpression,
    SubstitutionFailure,
    TextSubstitution,
)


def performed(substitution: Any, **configurations: str) -> str:
    context = LaunchContext()
    context.launch_configurations.update(configurations)
    return str(context.perform_substitution(substitution))


class Seen(list):  # type: ignore[type-arg]
    """Collects the texts of substitutions while a description runs."""

    def note(self, substitution: Any, **kwargs: Any) -> OpaqueFunction:
        return OpaqueFunction(
            function=lambda context: self.append(context.perform_substitution(substitution)), **kwargs
        )


def test_an_argument_takes_its_default_or_what_was_given() -> None:
    seen = Seen()
    declare = DeclareLaunchArgument("arm", default_value=["s", TextSubstitution(text="im")])
    assert launch_entities(declare, seen.note(LaunchConfiguration("arm"))) == 0
    given = SetLaunchConfiguration("arm", "none")
    assert (
        launch_entities(given, DeclareLaunchArgument("arm", default_value="sim"), seen.note(LaunchConfiguration("arm")))
        == 0
    )
    assert seen == ["sim", "none"]


def test_a_missing_argument_and_a_wrong_choice_end_the_launch() -> None:
    seen = Seen()
    assert launch_entities(DeclareLaunchArgument("arm"), seen.note(TextSubstitution(text="reached"))) == 1
    wrong = DeclareLaunchArgument("arm", choices=["sim", "none"])
    assert (
        launch_entities(SetLaunchConfiguration("arm", "real"), wrong, seen.note(TextSubstitution(text="reached"))) == 1
    )
    assert seen == []


@pytest.mark.parametrize("choices", [[], ["a", "b"]])
def test_choices_that_cannot_be_met_are_refused_at_once(choices: list[str]) -> None:
    with pytest.raises(RuntimeError, match="choices"):
        DeclareLaunchArgument("x", default_value="c", choices=choices)


def test_descriptions_name_the_choices() -> None:
    assert DeclareLaunchArgument("x").description == "no description given"
    assert DeclareLaunchArgument("x", choices=["a"]).description == "One of: ['a']"
    described = DeclareLaunchArgument("x", description="Which one.", choices=["a"]).description
    assert described == "Which one. Valid choices are: ['a']"


def test_a_configuration_that_does_not_exist_fails_unless_it_has_a_default() -> None:
    with pytest.raises(SubstitutionFailure, match="'gone'"):
        performed(LaunchConfiguration("gone"))
    assert performed(LaunchConfiguration("gone", default="5")) == "5"
    assert performed(LaunchConfiguration(["a", TextSubstitution(text="b")]), ab="found") == "found"


def test_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "yes")
    assert performed(EnvironmentVariable("HERE")) == "yes"
    assert performed(EnvironmentVariable("NOT_HERE", default_value="no")) == "no"
    with pytest.raises(SubstitutionFailure, match="NOT_HERE"):
        performed(EnvironmentVariable("NOT_HERE"))


@pytest.mark.parametrize(
    ("substitution", "expected"),
    [
        (PathJoinSubstitution(["a", LaunchConfiguration("x"), "c"]), "a/1/c"),
        (EqualsSubstitution(LaunchConfiguration("x"), "1"), "true"),
        (EqualsSubstitution(LaunchConfiguration("x"), "1.0"), "true"),
        (EqualsSubstitution("True", True), "true"),
        (EqualsSubstitution("a", "b"), "false"),
        (NotEqualsSubstitution("a", "b"), "true"),
        (NotSubstitution("false"), "true"),
        (AndSubstitution("true", "1"), "true"),
        (AndSubstitution("true", "0"), "false"),
        (OrSubstitution("false", "true"), "true"),
        (OrSubstitution("false", "False"), "false"),
        (IfElseSubstitution("true", "a", "b"), "a"),
        (IfElseSubstitution("false", "a", "b"), "b"),
        (Command(["echo -n ", LaunchConfiguration("x")]), "1"),
        (FindExecutable(name="sh"), None),
    ],
)
def test_substitutions(substitution: Any, expected: str | None) -> None:
    result = performed(substitution, x="1")
    assert result == expected if expected is not None else Path(result).name == "sh"


@pytest.mark.parametrize(
    "substitution",
    [NotSubstitution("maybe"), Command("false"), Command("no-such-program"), FindExecutable(name="no-such-program")],
)
def test_substitutions_that_fail(substitution: Any) -> None:
    with pytest.raises(SubstitutionFailure):
        performed(substitution)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (["'", LaunchConfiguration("x"), "' == 'sim'"], "True"),
        (["'", LaunchConfiguration("x"), "' in ['real', 'none']"], "False"),
        ("1 + 2 * 3 - 4 / 2", "5.0"),
        ("not True or (2 < 3 <= 3)", "True"),
        ("'a' if 1 > 2 else 'b'", "b"),
        ("'A,B'.lower().split(',')[1]", "b"),
        ("math.floor(pi) + floor(2.5)", "5"),
        ("int('4') + len('ab')", "6"),
        ("-1", "-1"),
    ],
)
def test_python_expressions(expression: Any, expected: str) -> None:
    assert performed(PythonExpression(expression), x="sim") == expected


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (IfCondition("true"), True),
        (IfCondition([LaunchConfiguration("yes")]), True),
        (IfCondition("0"), False),
        (UnlessCondition("False"), True),
        (UnlessCondition("1"), False),
        (LaunchConfigurationEquals("x", "1"), True),
        (LaunchConfigurationEquals("x", "2"), False),
        (LaunchConfigurationEquals("gone", None), True),
        (LaunchConfigurationNotEquals("x", "2"), True),
        (LaunchConfigurationNotEquals("x", "1"), False),
    ],
)
def test_conditions(condition: Any, holds: bool) -> None:
    seen = Seen()
    settings = [SetLaunchConfiguration("yes", "True"), SetLaunchConfiguration("x", "1")]
    assert launch_entities(*settings, seen.note(TextSubstitution(text="done"), condition=condition)) == 0
    assert seen == (["done"] if holds else [])


def test_a_condition_that_is_neither_true_nor_false_ends_the_launch() -> None:
    seen = Seen()
    assert launch_entities(seen.note(TextSubstitution(text="never"), condition=IfCondition("perhaps"))) == 1
    assert seen == []


def test_scopes_end_with_their_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTER", "1")
    monkeypatch.delenv("INNER", raising=False)
    seen = Seen()
    both = [
        LaunchConfiguration("x", default="-"),
        EnvironmentVariable("INNER", default_value="-"),
        EnvironmentVariable("OUTER", default_value="-"),
    ]
    inside = [
        SetLaunchConfiguration("x", "inner"),
        SetEnvironmentVariable("INNER", "set"),
        UnsetEnvironmentVariable("OUTER"),
        *map(seen.note, both),
    ]
    assert launch_entities(SetLaunchConfiguration("x", "outer"), GroupAction(inside), *map(seen.note, both)) == 0
    assert seen == ["inner", "set", "-", "outer", "-", "1"]
    seen.clear()
    assert launch_entities(GroupAction(inside, scoped=False), seen.note(both[0])) == 0
    assert seen == ["inner", "set", "-", "inner"]


def test_a_group_without_forwarding_sees_only_what_it_is_given() -> None:
    seen = Seen()
    group = GroupAction(
        [seen.note(LaunchConfiguration("x", default="-")), seen.note(LaunchConfiguration("y", default="-"))],
        forwarding=False,
        launch_configurations={"y": LaunchConfiguration("x")},
    )
    assert launch_entities(SetLaunchConfiguration("x", "1"), group, seen.note(LaunchConfiguration("x"))) == 0
    assert seen == ["-", "1", "1"]


@pytest.fixture
def included(tmp_path: Path) -> Path:
    """A launch file that writes down what it was given and where it is, in `told` beside it."""
    path = tmp_path / "inner.launch.py"
    path.write_text(
        "from pathlib import Path\n"
        "from launch import LaunchDescription\n"
        "from launch.actions import DeclareLaunchArgument, OpaqueFunction\n"
        "from launch.substitutions import LaunchConfiguration, ThisLaunchFileDir\n"
        "def tell(context):\n"
        "    parts = [LaunchConfiguration('speed'), ThisLaunchFileDir()]\n"
        "    Path(__file__).with_name('told').write_text(' in '.join(part.perform(context) for part in parts))\n"
        "def generate_launch_description():\n"
        "    return LaunchDescription([\n"
        "        DeclareLaunchArgument('speed', description='metres per second'),\n"
        "        DeclareLaunchArgument('gentle', default_value='true'),\n"
        "        OpaqueFunction(function=tell),\n"
        "    ])\n"
    )
    return path


def test_an_include_gets_its_arguments_and_knows_its_place(included: Path) -> None:
    source = PythonLaunchDescriptionSource([str(included)])
    include = IncludeLaunchDescription(source, launch_arguments={"speed": "0.3"}.items())
    assert launch_entities(include) == 0
    assert included.with_name("told").read_text() == f"0.3 in {included.parent}"


def test_an_include_finds_another_one_beside_it(included: Path) -> None:
    outer = included.parent / "above" / "outer.launch.py"
    outer.parent.mkdir()
    outer.write_text(
        "from launch import LaunchDescription\n"
        "from launch.actions import IncludeLaunchDescription\n"
        "from launch.launch_description_sources import PythonLaunchDescriptionSource\n"
        "from launch.substitutions import PathJoinSubstitution, ThisLaunchFileDir\n"
        "def generate_launch_description():\n"
        "    inner = PathJoinSubstitution([ThisLaunchFileDir(), '..', 'inner.launch.py'])\n"
        "    source = PythonLaunchDescriptionSource(inner)\n"
        "    return LaunchDescription([IncludeLaunchDescription(source, launch_arguments=[('speed', '2')])])\n"
    )
    assert launch_entities(IncludeLaunchDescription(PythonLaunchDescriptionSource(str(outer)))) == 0
    assert included.with_name("told").read_text().startswith("2 in ")


def test_an_include_without_a_required_argument_ends_the_launch(included: Path) -> None:
    assert launch_entities(IncludeLaunchDescription(PythonLaunchDescriptionSource(str(included)))) == 1
    assert not included.with_name("told").exists()


@pytest.mark.parametrize("text", [None, "x = 1\n", "def broken(:\n"])
def test_what_is_no_launch_file_ends_the_launch(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "some.launch.py"
    if text is not None:
        path.write_text(text)
    assert launch_entities(IncludeLaunchDescription(PythonLaunchDescriptionSource(str(path)))) == 1


def test_declared_arguments_are_found_without_running(included: Path) -> None:
    description = LaunchDescription(
        [
            DeclareLaunchArgument("top"),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(str(included))),
            GroupAction([DeclareLaunchArgument("maybe")], condition=IfCondition("false")),
            RegisterEventHandler(OnProcessExit(on_exit=[DeclareLaunchArgument("late", default_value="1")])),
        ]
    )
    found = {argument.name: argument._conditionally_included for argument in description.get_launch_arguments()}
    assert found == {"top": False, "speed": False, "gentle": False, "maybe": True, "late": True}
