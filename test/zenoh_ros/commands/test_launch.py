"""`rt-vla launch`: which file, which arguments, and what it says where they do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rt_vla_ros import ros

ros.ensure()

from launch.actions import DeclareLaunchArgument  # noqa: E402
from support.launching import launched, read_until  # noqa: E402

from rt_vla_ros.cli.main import main  # noqa: E402
from zenoh_ros.commands.errors import CliError  # noqa: E402
from zenoh_ros.commands.launch import described, launch_arguments, launch_file  # noqa: E402


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hello.launch.py"
    path.write_text(
        "from launch import LaunchDescription\n"
        "from launch.actions import DeclareLaunchArgument, ExecuteProcess\n"
        "from launch.substitutions import LaunchConfiguration\n"
        "def generate_launch_description():\n"
        "    return LaunchDescription([\n"
        "        DeclareLaunchArgument('word', default_value='world', description='whom to greet'),\n"
        "        DeclareLaunchArgument('tone', default_value='kind', choices=['kind', 'loud']),\n"
        "        ExecuteProcess(cmd=['echo', 'hello', LaunchConfiguration('word')], output='log'),\n"
        "    ])\n"
    )
    return path


@pytest.mark.parametrize("name", ["policy.launch.py", "policy", "sim_arm.launch.py"])
def test_own_files_are_found_by_name(name: str) -> None:
    expected = name if name.endswith(".launch.py") else f"{name}.launch.py"
    assert Path(launch_file([name])).name == expected
    assert launch_file(["rt_vla_ros", name]) == launch_file([name])


def test_a_path_is_taken_as_it_is(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert launch_file([str(file)]) == str(file)
    monkeypatch.chdir(file.parent)
    assert launch_file(["hello.launch.py"]) == "hello.launch.py"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["polcy.launch.py"], "Did you mean 'policy.launch.py'?"),
        (["no/such/file.launch.py"], "no launch file 'no/such/file.launch.py', neither as a path nor in "),
        (["nowhere", "x.launch.py"], "'nowhere'"),
        (["policy.launch.py", "arm=sim"], "and arguments of the form name:=value, got 'arm=sim'"),
        (["policy.launch.py", "arm=sim", "dry_run"], "expected a launch file and arguments of the form name:=value"),
        ([], "got no file"),
    ],
)
def test_what_is_no_file_is_said(words: list[str], sentence: str) -> None:
    with pytest.raises(CliError) as caught:
        launch_file(words)
    assert sentence in str(caught.value)


def test_arguments_are_pairs_and_the_last_wins() -> None:
    assert launch_arguments(["a:=1", "b:=x:=y", "c:=", "a:=2"]) == {"a": "2", "b": "x:=y", "c": ""}
    with pytest.raises(CliError, match="expected name:=value"):
        launch_arguments([":=1"])


def test_arguments_are_described(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["launch", str(file), "--show-args"]) == 0
    assert capsys.readouterr().out == (
        "Arguments (pass arguments as '<name>:=<value>'):\n"
        "\n"
        "    'word':\n"
        "        whom to greet\n"
        "        (default: 'world')\n"
        "\n"
        "    'tone':\n"
        "        One of: ['kind', 'loud']\n"
        "        (default: 'kind')\n"
    )


def test_conditional_arguments_have_a_star() -> None:
    argument = DeclareLaunchArgument("x")
    assert "*" not in described([argument])
    argument._conditionally_included = True
    assert "'x':*" in described([argument])
    assert described([argument]).endswith("* argument(s) which are only used if specific conditions occur")
    assert described([]).endswith("No arguments.")


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("wrod:=x", "hello.launch.py has no argument 'wrod'. Did you mean 'word'?"),
        ("tone:=rude", "tone:=rude is not valid. Available: kind, loud."),
    ],
)
def test_arguments_that_do_not_fit_start_nothing(file: Path, argument: str, sentence: str, capfd: Any) -> None:
    assert main(["launch", str(file), argument]) == 2
    captured = capfd.readouterr()
    assert captured.err == f"rt-vla launch: {sentence}\n"
    assert captured.out == ""


def test_a_file_that_is_no_launch_file_is_a_sentence(tmp_path: Path, capfd: Any) -> None:
    (tmp_path / "x.launch.py").write_text("x = 1\n")
    assert main(["launch", str(tmp_path / "x.launch.py")]) == 2
    err = capfd.readouterr().err
    assert "generate_launch_description" in err
    assert "Traceback" not in err


@pytest.fixture
def camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The share directory of a sourced package `cam`."""
    (tmp_path / "share/ament_index/resource_index/packages").mkdir(parents=True)
    (tmp_path / "share/ament_index/resource_index/packages/cam").touch()
    (tmp_path / "share/cam/launch").mkdir(parents=True)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))
    return tmp_path / "share/cam"


SAYS_UP = (
    "from launch import LaunchDescription\nfrom launch.actions import LogInfo\n"
    "def generate_launch_description():\n    return LaunchDescription([LogInfo(msg='camera up')])\n"
)


@pytest.mark.parametrize(
    ("file", "word"),
    [
        ("launch/rs_launch.py", "rs_launch.py"),
        ("launch/rs_launch.py", "rs"),
        ("launch/rs.launch.py", "rs"),
        ("launch/rs.py", "rs.py"),
        ("bringup/deep/rs.launch.py", "rs.launch.py"),
        ("rs", "rs"),
    ],
)
def test_launch_files_are_found_under_every_name(camera: Path, file: str, word: str, capfd: Any) -> None:
    (camera / file).parent.mkdir(parents=True, exist_ok=True)
    (camera / file).write_text(SAYS_UP)
    assert main(["launch", "cam", word]) == 0
    assert "camera up" in capfd.readouterr().out


def test_a_package_alone_is_told_its_files(camera: Path) -> None:
    (camera / "launch/rs_launch.py").write_text(SAYS_UP)
    with pytest.raises(CliError, match=r"'cam' is a package: add one of its launch files. Available: rs_launch.py."):
        launch_file(["cam"])


def test_two_files_of_one_name_are_both_said(camera: Path) -> None:
    for folder in ("a", "b"):
        (camera / folder).mkdir()
        (camera / folder / "rs.launch.py").write_text(SAYS_UP)
    with pytest.raises(CliError, match=r"more than one 'rs.launch.py', give the path: .*/a/rs.launch.py, .*/b/rs"):
        launch_file(["cam", "rs.launch.py"])


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        (
            "x.launch.py",
            "from launch_ros.actions import ComposableNodeContainer\n",
            "ComposableNodeContainer is not part of",
        ),
        ("x.launch.py", "import launch_xml\n", "launch_xml is not part of the embedded ROS"),
        ("x.launch.py", "import no_such_module\n", "the Python module 'no_such_module' is not installed"),
        (
            "x.launch.py",
            "import launch_ros.actions\ndef generate_launch_description():\n    launch_ros.actions.LifecycleNode()\n",
            "launch_ros.actions.LifecycleNode is not part of the embedded ROS",
        ),
        ("x.launch.xml", "<launch/>\n", "is in XML or YAML, which needs a real ROS 2"),
        ("x.launch.yaml", "launch:\n", "is in XML or YAML, which needs a real ROS 2"),
        ("x.launch", "<launch/>\n", "is in XML or YAML, which needs a real ROS 2"),
    ],
)
def test_what_needs_a_real_ros_is_a_sentence(tmp_path: Path, name: str, text: str, sentence: str, capfd: Any) -> None:
    (tmp_path / name).write_text(text)
    assert main(["launch", str(tmp_path / name)]) == 2
    err = capfd.readouterr().err
    assert sentence in err
    assert len(err.splitlines()) == 1


HEAD = (
    "from launch import LaunchDescription\n"
    "from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, LogInfo, OpaqueFunction, TimerAction\n"
    "from launch.substitutions import LaunchConfiguration, ThisLaunchFileDir\n"
    "RVIZ = LogInfo(msg=['rviz=', LaunchConfiguration('rviz', default='unset')])\n"
    "DECLARED = DeclareLaunchArgument('rviz', default_value='true')\n"
    "INNER = [ThisLaunchFileDir(), '/inner.launch.py']\n"
)


def write(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text(HEAD + "def generate_launch_description():\n" + "".join(f"    {line}\n" for line in lines))
    return path


@pytest.mark.parametrize(
    "entities",
    [
        "[DECLARED, RVIZ]",
        "[RVIZ]",
        "[IncludeLaunchDescription(INNER)]",
        "[OpaqueFunction(function=lambda context: [DECLARED, RVIZ])]",
        "[OpaqueFunction(function=lambda context: [IncludeLaunchDescription(INNER)])]",
        "[IncludeLaunchDescription(INNER, launch_arguments=[('rviz', LaunchConfiguration('rviz'))])]",
        "[TimerAction(period=0.01, actions=[DECLARED, RVIZ])]",
        "[TimerAction(period=0.01, actions=[IncludeLaunchDescription(INNER)])]",
    ],
)
def test_an_argument_is_taken_wherever_something_takes_it(tmp_path: Path, entities: str, capfd: Any) -> None:
    write(tmp_path, "inner.launch.py", "return LaunchDescription([DECLARED, RVIZ])")
    outer = write(tmp_path, "outer.launch.py", f"return LaunchDescription({entities})")
    assert main(["launch", str(outer), "rviz:=false"]) == 0
    assert "rviz=false" in capfd.readouterr().out


@pytest.mark.parametrize(
    "entities",
    [
        "[]",
        "[IncludeLaunchDescription(INNER)]",
        "[OpaqueFunction(function=lambda context: [RVIZ])]",
        "[IncludeLaunchDescription(INNER, launch_arguments=[('rvis', 'set here')])]",
        "[TimerAction(period=0.01, actions=[RVIZ])]",
    ],
)
def test_an_argument_that_nothing_takes_starts_nothing(tmp_path: Path, entities: str, capfd: Any) -> None:
    write(
        tmp_path, "inner.launch.py", "return LaunchDescription([LogInfo(msg=LaunchConfiguration('rvis', default=''))])"
    )
    outer = write(tmp_path, "outer.launch.py", f"return LaunchDescription({entities})")
    if entities == "[IncludeLaunchDescription(INNER)]":
        write(tmp_path, "inner.launch.py", "return LaunchDescription([DECLARED, RVIZ])")
    assert main(["launch", str(outer), "rvis:=false"]) == 2
    captured = capfd.readouterr()
    assert "outer.launch.py has no argument 'rvis'." in captured.err
    assert "process started" not in captured.out


@pytest.mark.parametrize(
    ("argument", "code", "said"),
    [
        (
            "launch_gui_",
            1,
            "inner.launch.py has no argument 'launch_gui_', but it is given; did you mean 'launch_gui'?",
        ),
        (
            "rvis",
            0,
            "inner.launch.py has no argument 'rvis', but it is given: it has no effect; did you mean 'rviz'?",
        ),
        ("robot_ip", 0, "inner.launch.py has no argument 'robot_ip', but it is given: it has no effect"),
    ],
)
def test_an_include_says_what_the_file_does_not_take(
    tmp_path: Path, argument: str, code: int, said: str, capfd: Any
) -> None:
    other = "DeclareLaunchArgument('launch_gui', default_value='')"
    write(tmp_path, "inner.launch.py", f"return LaunchDescription([DECLARED, RVIZ, {other}])")
    given = f"[IncludeLaunchDescription(INNER, launch_arguments=[('{argument}', '1')])]"
    outer = write(tmp_path, "outer.launch.py", f"return LaunchDescription({given})")
    assert main(["launch", str(outer)]) == code
    assert said in capfd.readouterr().out


def test_what_an_include_sets_itself_is_not_offered(tmp_path: Path, capfd: Any) -> None:
    inner = write(tmp_path, "inner.launch.py", "return LaunchDescription([DECLARED, RVIZ])")
    given = f"[IncludeLaunchDescription({str(inner)!r}, launch_arguments=[('rviz', '1')])]"
    outer = write(tmp_path, "outer.launch.py", f"return LaunchDescription({given})")
    assert main(["launch", str(outer), "--show-args"]) == 0
    assert "No arguments." in capfd.readouterr().out
    assert main(["launch", str(outer), "rviz:=0"]) == 2


def test_the_own_files_offer_what_can_be_set(capfd: Any) -> None:
    assert main(["launch", "policy.launch.py", "--show-args"]) == 0
    out = capfd.readouterr().out
    assert "'lock_step':" in out
    assert "publish_clock" not in out
    assert "wrist_image" not in out
    assert main(["launch", "policy.launch.py", "dry_rnu:=true"]) == 2
    captured = capfd.readouterr()
    assert captured.err == "rt-vla launch: policy.launch.py has no argument 'dry_rnu'. Did you mean 'dry_run'?\n"
    assert "process started" not in captured.out


def test_a_description_is_printed_and_nothing_runs(file: Path, capfd: Any) -> None:
    assert main(["launch", str(file), "--print-description"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == "LaunchDescription"
    assert lines[1].startswith("├── DeclareLaunchArgument(name='word', ")
    assert lines[-1] == "└── ExecuteProcess(cmd=['echo', 'hello', LaunchConfig('word')])"


@pytest.mark.parametrize(
    ("chosen", "is_put"),
    [([], True), (["--launch-prefix-filter", "ec"], True), (["--launch-prefix-filter", "x"], False)],
)
def test_a_prefix_is_put_before_programs(
    file: Path, chosen: list[str], is_put: bool, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OVERRIDE_LAUNCH_PROCESS_OUTPUT", "both")
    assert main(["launch", str(file), "--launch-prefix", "env HELLO=1 echo before", *chosen]) == 0
    assert ("before echo hello world" in capfd.readouterr().out) == is_put


def test_it_runs_and_shows_everything_if_asked(file: Path) -> None:
    with launched(file, "word:=robots", "-a", "sigterm_timeout:=1") as process:
        read_until(process, "hello robots")
        assert process.wait(60) == 0
    with launched(file) as process:
        assert process.stdout is not None
        assert "hello" not in process.stdout.read()
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("dryrun", "policy.launch.py has no argument 'dryrun'"),
        ("max_linear_velocity", "'max_linear_velocity' is not an argument of policy.launch.py but a parameter"),
        ("max_linear_velocty", "policy.launch.py has no argument 'max_linear_velocty'"),
        ("workspace_low", "'workspace_low' is not an argument of policy.launch.py but a parameter"),
        ("speed_scale", "'speed_scale' is not an argument of policy.launch.py but a parameter"),
        ("deadman_timeout", "'deadman_timeout' is not an argument of policy.launch.py but a parameter"),
    ],
)
def test_what_shall_limit_the_arm_is_not_lost(tmp_path: Path, argument: str, sentence: str, capfd: Any) -> None:
    given = f"[IncludeLaunchDescription('policy.launch.py', launch_arguments=[('{argument}', '1')])]"
    given = given.replace("'policy.launch.py'", repr(launch_file(["policy"])))
    outer = write(tmp_path, "outer.launch.py", f"return LaunchDescription({given})")
    assert main(["launch", str(outer)]) == 1
    out = capfd.readouterr().out
    assert sentence in out
    assert "process started" not in out
