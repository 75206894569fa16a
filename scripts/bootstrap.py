"""What `./rt-vla` does before it runs a command: an environment with all libraries, made once, found again at once.

Run as a script by any Python from 3.10 to 3.14, so it imports the standard library alone. The environment is `.venv` in
the checkout, or the folder that RT_VLA_VENV names. The checkout itself is put on its path, so an edit counts at once.

State, all of it inside the environment's folder:
- `rt-vla.json`, written last: what was installed, and from which files; while it fits, a start touches nothing else;
- `rt-vla.installing`: there while something is being installed. Where a start finds it and nobody holds the folder's
  lock, an installation was cut off, and the environment is made again from the beginning;
- `rt-vla.log`: what pip said.

RT_VLA_UV=1 lets uv, where it is on the PATH, install all but PyTorch.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import importlib
import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

CHECKOUT = Path(__file__).resolve().parents[1]
CPU_WHEELS = "https://download.pytorch.org/whl/cpu"
NEEDS_PICTURES = ("demo", "test", "launch", "evaluate", "collect", "train")
# What a command needs besides.
EXTRAS = {"test": ["test"], "collect": ["train"], "keys": ["keys"], "serve": ["serve"], "train": ["train"]}
EXTRAS |= {"export": ["export"]}
BENCH_EXTRAS = {"console": "console", "export": "onnx", "serve": "serve"}
REMOTE = re.compile(r"(--policy=|policy:=)?remote:")  # a policy that a server decides for
CONSOLE_WORDS = {"--console", "console:=true", "console_node"}  # where the page in the browser is asked for
GL_PACKAGES = ["libegl1", "libegl-mesa0", "libgl1-mesa-dri", "libopengl0"]  # of Debian and Ubuntu
SPACE_NEEDED = 3 * 2**30  # the environment with the CPU build, and pip's cache of it [bytes]


class Refusal(Exception):
    """What stands in the way, and what to do about it, in whole sentences."""


def say(text: str) -> None:
    """A line for the user that cannot be taken for a command's output."""
    print(text, file=sys.stderr, flush=True)


def project_files() -> tuple[Path, Path]:
    """The files that say what is installed."""
    return CHECKOUT / "pyproject.toml", CHECKOUT / "constraints.txt"


def wanted_key() -> str:
    """Changes whenever an environment made earlier is not the one that is wanted now."""
    digest = hashlib.sha256(str(CHECKOUT).encode())
    for path in (*project_files(), Path(__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


class Environment:
    """The virtual environment in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.stamp = folder / "rt-vla.json"
        self.installing = folder / "rt-vla.installing"
        self.log = folder / "rt-vla.log"

    def read_stamp(self) -> dict[str, Any]:
        """What was installed; empty where nothing was, or nothing that can be read."""
        try:
            stamp = json.loads(self.stamp.read_text())
        except (OSError, ValueError):
            return {}
        return stamp if isinstance(stamp, dict) else {}

    def interpreter_stands(self) -> bool:
        """Whether the interpreter that the environment was made with is still the one it runs."""
        return self.python.exists() and self.read_stamp().get("interpreter") == os.path.realpath(self.python)

    def is_ready(self, extras: Sequence[str]) -> bool:
        """Whether a command may start without installing anything."""
        stamp = self.read_stamp()
        fits = stamp.get("key") == wanted_key() and set(extras) <= set(stamp.get("extras", []))
        return fits and self.interpreter_stands() and not self.installing.exists()

    def write_stamp(self, key: str, extras: Sequence[str]) -> None:
        """Declares what is installed, in one step."""
        stamp = {"key": key, "extras": sorted(extras), "interpreter": os.path.realpath(self.python)}
        unfinished = self.stamp.with_suffix(".new")
        unfinished.write_text(json.dumps(stamp, indent=1) + "\n")
        os.replace(unfinished, self.stamp)

    def claim(self) -> None:
        """Makes the folder, or finds that it is ours. Raises Refusal where it is not, or cannot be made."""
        hint = "Name another folder for the environment: RT_VLA_VENV=/some/folder ./rt-vla ..."
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            ours = any(path.exists() for path in (self.stamp, self.installing, self.log))
            if not ours and any(self.folder.iterdir()):
                raise Refusal(f"{self.folder} contains files that rt-vla did not create; it is unchanged. {hint}")
            self.log.touch()
        except OSError as error:
            raise Refusal(f"The environment cannot be made in {self.folder} ({error.strerror}). {hint}") from None
        free = shutil.disk_usage(self.folder).free
        if free < SPACE_NEEDED and not self.stamp.exists():
            raise Refusal(
                f"{self.folder} has {free / 2**30:.1f} GB left; the libraries need {SPACE_NEEDED / 2**30:.0f}. {hint}"
            )

    def clear(self) -> None:
        """Empties the folder. The folder itself stays: it carries the lock."""
        for entry in self.folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One installation at a time; the system lets go of the lock when its holder ends, however it ends."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"rt-vla: another start is installing into {self.folder}; waiting for it ...")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a child and waits for it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def run_logged(command: Sequence[str], log: Path, title: str) -> int:
    """Runs a command into the log, showing how long it has taken; its exit status."""
    begin = time.monotonic()
    if not sys.stderr.isatty():
        say(f"  {title} ...")
    environment = {**os.environ, "PIP_USER": "0", "PYTHONUNBUFFERED": "1"}
    with log.open("ab") as output:
        output.write(f"\n$ {' '.join(command)}\n".encode())
        output.flush()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
        try:
            while process.poll() is None:
                if sys.stderr.isatty():
                    print(
                        f"\r\033[K  {title} ... {time.monotonic() - begin:.0f} s", end="", file=sys.stderr, flush=True
                    )
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.5)
        finally:
            stop(process)
            if sys.stderr.isatty():
                print(file=sys.stderr)
    return process.returncode


def sudo() -> str:
    """What this user writes before a command for the administrator."""
    return "" if os.geteuid() == 0 else "sudo "


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, indented."""
    kept = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-lines:]
    return "\n".join("    " + line[:200] for line in kept)


def why_pip_failed(environment: Environment, title: str) -> str:
    """The sentence for what pip's last words mean."""
    said = "\n".join(environment.log.read_text(errors="replace").split("\n$ ")[-1].splitlines())
    again = "Then start again: what is installed already is kept."
    if "No space left" in said:
        reason = f"The disk of {environment.folder} is full. Make room (about 3 GB), or set RT_VLA_VENV. {again}"
    elif any(sign in said for sign in ("NewConnectionError", "ConnectTimeout", "Max retries", "from versions: none")):
        reason = (
            "pip reached no package index (or one that has nothing for this Python): the first start needs a network, "
            "later ones do not. Connect, or point pip at an index or a folder of wheels (PIP_INDEX_URL, "
            f"PIP_FIND_LINKS). {again}"
        )
    else:
        reason = f"pip could not install this (all its words: {environment.log}). {again}"
    return f"{title}: failed.\n{tail(environment.log)}\n{reason}"


def pip_install(environment: Environment, title: str, *arguments: str, required: bool = True) -> bool:
    """`pip install` without PYTHONPATH, which ROS 2 sets. Returns whether it worked; Refusal if `required`."""
    options = ["--disable-pip-version-check", "--no-input", "--prefer-binary"]  # a compiler may not be here
    command = [str(environment.python), "-I", "-m", "pip", "install", *options, *arguments]
    status = run_logged(command, environment.log, title)
    if status < 0:
        raise Refusal(f"{title}: pip was killed by signal {-status} (out of memory?). The next start tries again.")
    if status and required:
        environment.installing.unlink()  # pip has tidied up after itself, so what stands may stay
        raise Refusal(why_pip_failed(environment, title))
    return status == 0


def uv_install(environment: Environment, title: str, *arguments: str) -> bool:
    """`uv pip install`, faster than pip, where RT_VLA_UV=1 asks for it. Returns whether it worked; pip may still.

    It is not taken unasked, because uv knows nothing of pip's configuration: a mirror, say, or a folder of wheels.
    """
    if os.environ.get("RT_VLA_UV") != "1":
        return False
    if (uv := shutil.which("uv")) is None:
        say("rt-vla: RT_VLA_UV=1 asks for uv, and none is on the PATH; pip installs.")
        return False
    command = [uv, "pip", "install", "--no-progress", "--python", str(environment.python), *arguments]
    return run_logged(command, environment.log, title) == 0


def has_nvidia_driver() -> bool:
    """Whether a CUDA build of torch could find a GPU here."""
    signs = ("/proc/driver/nvidia/version", "/dev/nvidiactl", "/usr/lib/wsl/lib/libcuda.so.1")
    return any(os.path.exists(path) for path in signs) or shutil.which("nvidia-smi") is not None


def pinned(name: str) -> str:
    """The requirement `name==version` of constraints.txt."""
    for line in project_files()[1].read_text().splitlines():
        requirement = line.partition(";")[0].strip()
        if requirement.startswith(f"{name}=="):
            return requirement
    raise Refusal(f"constraints.txt pins no {name}.")


def install_torch(environment: Environment) -> None:
    """Torch alone and first, so that no library brings another build of it.

    The usual Linux wheel comes with 3 GB of CUDA; without an NVIDIA driver the CPU build does the same. It is looked
    for where pip looks anyway, then, with a short timeout, at PyTorch's own index, whose absence is no error.
    """
    torch = pinned("torch")
    if sys.platform == "linux" and not has_nvidia_driver():
        cpu = ("--no-deps", f"{torch}+cpu")
        if pip_install(environment, "PyTorch, CPU build, where pip looks", *cpu, required=False):
            return
        there = ("--index-url", CPU_WHEELS, "--timeout", "6", "--retries", "0")
        if pip_install(environment, "PyTorch, CPU build, from pytorch.org", *there, *cpu, required=False):
            return
    pip_install(environment, "PyTorch", torch)


def requirements(extras: Sequence[str], site_packages: Path) -> list[str]:
    """What pyproject.toml asks for, with these extras."""
    sys.path.append(str(site_packages))  # Python 3.10 has no parser of its own; pip carries the same
    tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "pip._vendor.tomli")
    project = tomllib.loads(project_files()[0].read_text())["project"]
    wanted, asked = list(project["dependencies"]), list(extras)
    for extra in asked:  # grows while it is gone through: an extra may ask for others of this project
        for line in project["optional-dependencies"][extra]:
            of_our_own = re.fullmatch(r"rt[-_.]vla[-_.]ros\[(.+)\]", line.strip())
            more = [name.strip() for name in of_our_own[1].split(",")] if of_our_own else []
            asked += [name for name in more if name not in asked]
            wanted += [] if of_our_own else [line]
    return wanted


def make_environment(environment: Environment) -> None:
    """An empty virtual environment with pip."""
    maker = next((name for name in ("venv", "virtualenv") if importlib.util.find_spec(name)), None)
    if maker == "venv" and importlib.util.find_spec("ensurepip") is None:
        maker = "virtualenv" if importlib.util.find_spec("virtualenv") else None
    if maker is not None:
        command = [sys.executable, "-I", "-m", maker, str(environment.folder)]
        if run_logged(command, environment.log, f"environment in {environment.folder}") == 0:
            return
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    said = tail(environment.log) + "\n" if maker else ""
    raise Refusal(
        f"{said}This Python ({sys.executable}, {version}) cannot make virtual environments with pip. On Debian and "
        f"Ubuntu: {sudo()}apt-get install python3-venv (for a Python that is not the system's own: "
        f"python{version}-venv); "
        "elsewhere install virtualenv, or name another interpreter: RT_VLA_PYTHON=/path/to/python3 ./rt-vla ..."
    )


def install(environment: Environment, extras: Sequence[str]) -> None:
    """Brings the environment to what pyproject.toml and constraints.txt say."""
    if environment.installing.exists() or not environment.interpreter_stands():
        if environment.installing.exists():
            say("rt-vla: an earlier installation was interrupted; starting over.")
        environment.clear()
    environment.installing.touch()
    if not environment.python.exists():
        say(f"rt-vla: first start, installing into {environment.folder} (minutes; later starts take a second).")
        make_environment(environment)
        environment.write_stamp("nothing yet", [])
    site_packages = next(environment.folder.glob("lib/python3*/site-packages"))
    install_torch(environment)
    libraries = ("--constraint", str(project_files()[1]), *requirements(extras, site_packages))
    if not uv_install(environment, "libraries, by uv", *libraries):
        pip_install(environment, "libraries", *libraries)
    # Only gym-hil's model files are used. It asks for pynput, that for evdev, and that for a C compiler.
    pip_install(environment, "model of the arm", "--no-deps", pinned("gym-hil"))
    (site_packages / "rt_vla_ros_checkout.pth").write_text(f"{CHECKOUT}\n")
    environment.write_stamp(wanted_key(), extras)
    environment.installing.unlink()


def prepare(environment: Environment, extras: Sequence[str]) -> None:
    """Installs what is missing, alone."""
    environment.claim()
    with environment.locked():
        if not environment.is_ready(extras):
            install(environment, sorted({*extras, *environment.read_stamp().get("extras", [])}))


def loads(library: str) -> bool:
    """Whether the dynamic linker finds a library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def can_draw() -> bool:
    """Whether a GL library that needs no screen is here."""
    if sys.platform != "linux" or loads("libOSMesa.so.8"):
        return True
    anywhere = loads("libEGL_mesa.so.0") or loads("libEGL_nvidia.so.0")
    return loads("libEGL.so.1") and anywhere and (loads("libOpenGL.so.0") or loads("libGL.so.1"))


def ensure_drawing(*, yes: bool) -> None:
    """Installs a GL library where that is asked for or nobody sits there, else says how."""
    if can_draw():
        return
    apt = ["apt-get", "install", "-y", "--no-install-recommends", *GL_PACKAGES]
    allowed = os.geteuid() == 0 and (yes or not sys.stdin.isatty())
    if allowed and shutil.which("apt-get"):
        say(f"rt-vla: installing a GL library for the simulated cameras: {' '.join(apt)}")
        quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, "stdout": subprocess.DEVNULL}
        for command in (apt, ["apt-get", "update"], apt):
            if subprocess.run(command, check=False, **quiet).returncode == 0 and can_draw():  # type: ignore[call-overload]
                return
    raise Refusal(
        "The simulated cameras need a GL library that draws without a screen, and none is here. On Debian and Ubuntu: "
        f"{sudo()}{' '.join(apt)} (as root, `./rt-vla --yes ...` does it)."
    )


def overview(arguments: Sequence[str]) -> int | None:
    """Answers `--help`, `--version` and mistyped commands, for which nothing need be installed; None for the others."""
    sys.path.insert(0, str(CHECKOUT))
    from rt_vla_ros.cli.main import COMMANDS, main

    return None if arguments and arguments[0] in COMMANDS else main(arguments)


def has_onnx(word: str) -> bool:
    """Whether a word of a command line names the directory of a policy in ONNX."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # most words are no name of a folder
        return any(Path(re.sub(r"^(--policy=|policy:=)", "", word)).expanduser().glob("*.onnx"))
    return False


def needed_extras(arguments: Sequence[str]) -> list[str]:
    """What a command line needs besides the libraries that all need."""
    extras = list(EXTRAS.get(arguments[0], []))
    if arguments[0] == "bench":
        extras += [BENCH_EXTRAS[word] for word in arguments[1:2] if word in BENCH_EXTRAS]
    if arguments[0] in ("serve", "bench") and "--ray" in arguments:
        extras.append("ray")
    if CONSOLE_WORDS & set(arguments):
        extras.append("console")
    if any(REMOTE.match(word) for word in arguments):
        extras.append("remote")
    if arguments[0] != "bench" and any(has_onnx(word) for word in arguments):
        extras.append("onnx")
    return extras


def start(arguments: Sequence[str]) -> int:
    """Makes the environment where it is missing, and becomes the command. Raises Refusal."""
    yes = "--yes" in arguments[:1] or ("--yes" in arguments and arguments[0] in NEEDS_PICTURES)
    arguments = [argument for argument in arguments if not (yes and argument == "--yes")]
    answered = overview(arguments)
    if answered is not None:
        return answered
    environment = Environment(Path(os.environ.get("RT_VLA_VENV") or CHECKOUT / ".venv").absolute())
    extras = needed_extras(arguments)
    pictures = arguments[0] in NEEDS_PICTURES or "--int8" in arguments
    if pictures and not {"-h", "--help"} & set(arguments):
        ensure_drawing(yes=yes)  # before the minutes of an installation
    if not environment.is_ready(extras):
        prepare(environment, extras)
    return os.execv(environment.python, [str(environment.python), "-m", "rt_vla_ros.cli", *arguments])


def main() -> int:
    """The exit status: 2 refused, 130 interrupted, else the command's own."""

    def interrupted(number: int, _frame: object) -> NoReturn:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    try:
        return start(sys.argv[1:])
    except Refusal as refusal:
        say(f"rt-vla: {refusal}")
        return 2
    except KeyboardInterrupt:
        say("\nrt-vla: interrupted.")
        return 130


if __name__ == "__main__":
    sys.exit(main())
