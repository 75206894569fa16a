"""`./rt-vla` on machines of every kind: a small checkout, the real venv and pip, and wheels of a few bytes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import bootstrap
import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "scripts" / "bootstrap.py"

DOCTOR = '''"""Prints what is installed."""
from importlib.metadata import distributions
def add_arguments(parser): parser.add_argument("words", nargs="*")
def run(args):
    names = sorted(f"{d.name} {d.version}" for d in distributions() if d.name in ("torch", "gym-hil", "alpha", "beta"))
    print(", ".join(names), *args.words)
    return 7
'''


def write_wheel(folder: Path, name: str, version: str, requires: str = "") -> None:
    """A wheel with one module and no code."""
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {
        f"{name.replace('-', '_')}.py": "",
        f"{stem}.dist-info/METADATA": metadata + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{stem}.dist-info/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{stem}.dist-info/RECORD"])
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)


class Machine:
    """A checkout and the wheels that its pip finds."""

    def __init__(self, root: Path) -> None:
        self.wheels = root / "wheels"
        self.checkout = root / "check out"  # people do have spaces in their paths
        self.venv = self.checkout / ".venv"
        (self.checkout / "rt_vla_ros" / "cli").mkdir(parents=True)
        (self.checkout / "scripts").mkdir()
        self.wheels.mkdir()
        shutil.copy(ROOT / "rt-vla", self.checkout)
        shutil.copy(SCRIPT, self.checkout / "scripts")
        for path in (ROOT / "rt_vla_ros").glob("*.py"):
            shutil.copy(path, self.checkout / "rt_vla_ros")
        for name in ("__init__.py", "__main__.py", "interrupts.py", "main.py"):
            shutil.copy(ROOT / "rt_vla_ros" / "cli" / name, self.checkout / "rt_vla_ros" / "cli" / name)
        for name in ("commands", "wire"):
            (self.checkout / "zenoh_ros" / name).mkdir(parents=True)
        commands = ("commands/__init__.py", "commands/errors.py")
        for name in ("__init__.py", *commands, "wire/__init__.py", "wire/printable.py"):
            shutil.copy(ROOT / "zenoh_ros" / name, self.checkout / "zenoh_ros" / name)
        (self.checkout / "rt_vla_ros" / "cli" / "doctor.py").write_text(DOCTOR)
        (self.checkout / "constraints.txt").write_text("torch==2.13.0\ngym-hil==0.1.14\n")
        self.require("alpha")
        for name, version, requires in (
            ("torch", "2.13.0+cpu", ""),
            ("torch", "2.99.0", ""),
            ("gym-hil", "0.1.14", "needs-a-compiler"),
            ("alpha", "1.0", "torch"),
            ("beta", "1.0", ""),
        ):
            write_wheel(self.wheels, name, version, requires)

    def require(self, *names: str) -> None:
        """Lets pyproject.toml ask for these."""
        (self.checkout / "pyproject.toml").write_text(f"[project]\ndependencies = {list(names)!r}\n")

    def environment(self, **more: str) -> dict[str, str]:
        """A shell's variables: pip sees the wheels and nothing of this machine's configuration."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "RT_VLA_", "PYTHON"))}
        pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": self.wheels.as_uri()}
        return {**kept, **pip, "RT_VLA_PYTHON": sys.executable, **more}

    def popen(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        """Starts ./rt-vla in a process group of its own."""
        return subprocess.Popen(
            [str(self.checkout / "rt-vla"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment(**more),
            cwd=self.wheels,
            start_new_session=True,
        )

    def start(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Runs ./rt-vla to its end."""
        process = self.popen(*arguments, **more)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Machine, subprocess.CompletedProcess[str]]]:
    """A machine after its first start, and what that said."""
    machine = Machine(tmp_path_factory.mktemp("installed"))
    return machine, machine.start("doctor", "first")


@pytest.fixture
def with_uv(machine: Machine) -> dict[str, str]:
    """Variables with which `./rt-vla` finds uv, and uv the wheels and nothing of this machine's configuration."""
    uv = Path(pytest.importorskip("uv").find_uv_bin())
    own = {"UV_NO_CONFIG": "1", "UV_NO_INDEX": "1", "UV_FIND_LINKS": str(machine.wheels), "UV_NO_CACHE": "1"}
    return {**own, "RT_VLA_UV": "1", "PATH": f"{uv.parent}{os.pathsep}{os.environ['PATH']}"}


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Returns when the condition holds; fails when the process ends, or a minute passes, before that."""
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_first_start_installs_and_becomes_the_command(
    installed: tuple[Machine, subprocess.CompletedProcess[str]],
) -> None:
    machine, first = installed
    assert first.returncode == 7, first.stderr
    assert first.stdout == "alpha 1.0, gym-hil 0.1.14, torch 2.13.0+cpu first\n"
    assert "first start" in first.stderr
    assert not list(machine.checkout.glob("*.egg-info"))


def test_uv_installs_the_libraries_and_leaves_the_torch_that_is_there(
    machine: Machine, with_uv: dict[str, str]
) -> None:
    first = machine.start("doctor", "by uv", **with_uv)
    assert first.stdout == "alpha 1.0, gym-hil 0.1.14, torch 2.13.0+cpu by uv\n", first.stderr
    assert "libraries, by uv ...\n  model of the arm" in first.stderr


def test_where_uv_fails_pip_takes_over(machine: Machine, with_uv: dict[str, str]) -> None:
    first = machine.start("doctor", **with_uv | {"UV_FIND_LINKS": str(machine.checkout)})
    assert first.stdout == "alpha 1.0, gym-hil 0.1.14, torch 2.13.0+cpu\n", first.stderr
    assert "libraries, by uv ...\n  libraries ...\n" in first.stderr


def test_uv_that_is_asked_for_and_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RT_VLA_UV", "1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not bootstrap.uv_install(bootstrap.Environment(tmp_path), "libraries", "alpha")
    assert "RT_VLA_UV=1 asks for uv, and none is on the PATH; pip installs." in capsys.readouterr().err


def test_second_start_needs_neither_pip_nor_network(
    installed: tuple[Machine, subprocess.CompletedProcess[str]],
) -> None:
    machine, _ = installed
    log = (machine.venv / "rt-vla.log").read_bytes()
    second = machine.start("doctor", "second", PIP_FIND_LINKS="", PIP_INDEX_URL="http://localhost:9/")
    assert (second.returncode, second.stderr) == (7, "")
    assert second.stdout.endswith("torch 2.13.0+cpu second\n")
    assert (machine.venv / "rt-vla.log").read_bytes() == log


def test_a_changed_requirement_is_installed_at_the_next_start(
    installed: tuple[Machine, subprocess.CompletedProcess[str]],
) -> None:
    machine, _ = installed
    machine.require("alpha", "beta")
    before = (machine.venv / "pyvenv.cfg").stat().st_mtime_ns
    assert machine.start("doctor").stdout.startswith("alpha 1.0, beta 1.0, ")
    assert (machine.venv / "pyvenv.cfg").stat().st_mtime_ns == before


def test_extras_may_ask_for_other_extras(monkeypatch: pytest.MonkeyPatch, machine: Machine, tmp_path: Path) -> None:
    (machine.checkout / "pyproject.toml").write_text(
        "[project]\ndependencies = ['alpha']\n[project.optional-dependencies]\n"
        "one = ['beta>=1']\ntwo = ['gamma; python_version > \"3\"']\ntest = ['delta[x]', 'rt_vla_ros[one, two]']\n"
    )
    monkeypatch.setattr(bootstrap, "CHECKOUT", machine.checkout)
    assert bootstrap.requirements([], tmp_path) == ["alpha"]
    everything = ["alpha", "delta[x]", "beta>=1", 'gamma; python_version > "3"']
    assert bootstrap.requirements(["test"], tmp_path) == everything


@pytest.mark.parametrize(
    ("line", "extras"),
    [
        ("demo", []),
        ("demo --console", ["console"]),
        ("launch policy.launch.py console:=true", ["console"]),
        ("launch policy.launch.py console:=false", []),
        ("run rt_vla_ros console_node", ["console"]),
        ("train rt1", ["train"]),
        ("serve rt1-mini", ["serve"]),
        ("serve rt1-mini --ray --replicas 2", ["serve", "ray"]),
        ("bench serve --robots 1", ["serve"]),
        ("bench console", ["console"]),
        ("bench node", []),
        ("evaluate --policy remote:localhost", ["remote"]),
        ("launch policy.launch.py policy:=remote:gpu-box/rt1-mini", ["remote"]),
        ("demo --policy=remote:localhost --console", ["console", "remote"]),
        ("export rt1-mini --out mini.onnx", ["export"]),
        ("bench export mini.onnx", ["onnx"]),
    ],
)
def test_a_command_line_names_the_extras_that_it_needs(line: str, extras: list[str]) -> None:
    assert bootstrap.needed_extras(line.split()) == extras


def test_a_policy_in_onnx_needs_its_runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/frame.onnx").touch()
    monkeypatch.chdir(tmp_path)
    for line in ("evaluate --policy mine", "demo --policy=mine", "launch policy.launch.py policy:=mine"):
        assert bootstrap.needed_extras(line.split()) == ["onnx"]
    assert bootstrap.needed_extras(["demo", "--instruction", "pick up " * 99, "~nobody/x"]) == []


def test_help_and_a_mistyped_command_install_nothing(machine: Machine) -> None:
    assert machine.start("--help").returncode == 0
    typo = machine.start("doktor")
    assert typo.returncode == 2
    assert "Did you mean 'doctor'?" in typo.stderr
    assert not machine.venv.exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_cut_off_installation_is_begun_anew(machine: Machine, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as index:  # pip waits for its answer, and so is cut off in the middle
        url = f"http://127.0.0.1:{index.getsockname()[1]}/"
        process = machine.popen("doctor", PIP_NO_INDEX="0", PIP_FIND_LINKS="", PIP_INDEX_URL=url)
        wait_until((machine.venv / "lib").exists, process)
        (machine.venv / "half").touch()
        os.killpg(process.pid, number)
        process.communicate(timeout=60)
    assert process.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(number, -number)
    assert (machine.venv / "rt-vla.installing").exists()
    again = machine.start("doctor")
    assert again.returncode == 7, again.stderr
    assert "starting over" in again.stderr
    assert not (machine.venv / "half").exists()


def test_starts_at_the_same_time_install_once(machine: Machine) -> None:
    processes = [machine.popen("doctor", str(number)) for number in range(2)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [7, 7], outputs
    assert (machine.venv / "rt-vla.log").read_text().count(" -m venv ") == 1
    assert sum("waiting for it" in err for _, err in outputs) == 1


def test_without_a_network_the_first_start_says_so_and_the_next_goes_on(machine: Machine) -> None:
    offline = {"PIP_NO_INDEX": "0", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "http://localhost:9/", "PIP_RETRIES": "0"}
    refused = machine.start("doctor", **offline)
    assert refused.returncode == 2
    assert "pip reached no package index" in refused.stderr
    made = (machine.venv / "pyvenv.cfg").stat().st_mtime_ns
    assert machine.start("doctor").returncode == 7
    assert (machine.venv / "pyvenv.cfg").stat().st_mtime_ns == made


def test_a_checkout_that_cannot_be_written_names_the_way_out(machine: Machine) -> None:
    machine.venv.write_text("a file where the folder should be")
    refused = machine.start("doctor")
    assert refused.returncode == 2
    assert "RT_VLA_VENV=/some/folder ./rt-vla" in refused.stderr


def test_a_folder_of_someone_else_stays_as_it_is(machine: Machine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").write_text("years of work")
    refused = machine.start("doctor", RT_VLA_VENV=str(home))
    assert refused.returncode == 2
    assert "did not create" in refused.stderr
    assert [path.name for path in home.iterdir()] == ["thesis.tex"]


def tools_without_python(folder: Path) -> Path:
    """A PATH with what the shell script needs, and no Python."""
    folder.mkdir()
    for name in ("readlink", "dirname", "head", "id", "sh"):
        (folder / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    return folder


def test_an_old_python_is_named(machine: Machine, tmp_path: Path) -> None:
    tools = tools_without_python(tmp_path / "bin")
    (tools / "python3").write_text('#!/bin/sh\n[ "$1" = -V ] && echo Python 3.8.10\nexit 1\n')
    (tools / "python3").chmod(0o755)
    refused = machine.start("doctor", PATH=str(tools), RT_VLA_PYTHON="")
    assert refused.returncode == 2
    assert "no Python from 3.10 to 3.14 among what is here: python3 (Python 3.8.10)" in refused.stderr
    assert "apt-get install python3" in refused.stderr


def test_no_python_at_all(machine: Machine, tmp_path: Path) -> None:
    refused = machine.start("doctor", PATH=str(tools_without_python(tmp_path / "bin")), RT_VLA_PYTHON="")
    assert refused.returncode == 2
    assert "no Python is here" in refused.stderr
    assert f": {bootstrap.sudo()}apt-get install python3 python3-venv" in refused.stderr


@pytest.mark.parametrize("missing", [{"venv", "virtualenv"}, {"ensurepip", "virtualenv"}])
def test_a_python_without_venv_or_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: set[str]) -> None:
    present = bootstrap.importlib.util.find_spec
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None if name in missing else present(name))
    with pytest.raises(bootstrap.Refusal, match=r"apt-get install python3-venv .*RT_VLA_PYTHON="):
        bootstrap.make_environment(bootstrap.Environment(tmp_path))


@pytest.mark.parametrize(
    ("user", "terminal", "yes", "installs"),
    [(0, False, False, True), (0, True, True, True), (0, True, False, False), (1000, False, True, False)],
)
def test_system_packages_only_as_root_and_unasked_only_without_a_terminal(
    monkeypatch: pytest.MonkeyPatch, user: int, terminal: bool, yes: bool, installs: bool
) -> None:
    ran: list[list[str]] = []

    def pretend(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        ran.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(bootstrap, "can_draw", lambda: bool(ran))
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: user)
    monkeypatch.setattr(bootstrap.sys.stdin, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(bootstrap.subprocess, "run", pretend)
    if installs:
        bootstrap.ensure_drawing(yes=yes)
        assert ran[0][:3] == ["apt-get", "install", "-y"]
    else:
        with pytest.raises(bootstrap.Refusal, match=f"{'sudo ' if user else ': '}apt-get install -y"):
            bootstrap.ensure_drawing(yes=yes)
        assert ran == []


def test_a_missing_gl_library_is_named_before_anything_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bootstrap, "can_draw", lambda: False)
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000)
    monkeypatch.setenv("RT_VLA_VENV", str(tmp_path / "venv"))
    with pytest.raises(bootstrap.Refusal, match="sudo apt-get install"):
        bootstrap.start(["demo"])
    assert not (tmp_path / "venv").exists()


@pytest.mark.parametrize(
    ("here", "draws"),
    [
        ({"libOSMesa.so.8"}, True),
        ({"libEGL.so.1", "libEGL_mesa.so.0", "libOpenGL.so.0"}, True),
        ({"libEGL.so.1", "libEGL_nvidia.so.0", "libGL.so.1"}, True),
        ({"libEGL.so.1", "libEGL_mesa.so.0"}, False),  # all that Mesa's packages bring on Debian 13
        ({"libEGL.so.1", "libOpenGL.so.0"}, False),
        (set(), False),
    ],
)
def test_drawing_needs_egl_a_driver_and_opengl(monkeypatch: pytest.MonkeyPatch, here: set[str], draws: bool) -> None:
    monkeypatch.setattr(bootstrap.sys, "platform", "linux")
    monkeypatch.setattr(bootstrap, "loads", lambda library: library in here)
    assert bootstrap.can_draw() is draws
