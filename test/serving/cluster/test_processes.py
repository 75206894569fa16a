"""The processes of a cluster: where they listen, and that none stays behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rt_vla_ros.serving.cluster.processes import descendants, listening

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
PATIENCE = 20.0
# A parent that adopts orphans, a child in a session of its own, and a grandchild that it leaves behind.
FAMILY = """
import os, subprocess, sys
from rt_vla_ros.serving.cluster.processes import adopt_orphans, kill_descendants
adopt_orphans()
sleep = "import time; time.sleep(600)"
child = f"import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', {sleep!r}]).pid, flush=True)"
subprocess.run([sys.executable, "-c", child], start_new_session=True)
subprocess.Popen([sys.executable, "-c", sleep], start_new_session=True)
print("started", flush=True)
sys.stdin.read()
print(kill_descendants(os.getpid()), flush=True)
"""


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("end", ["closed", "killed"])
def test_no_descendant_is_left_when_the_server_ends(end: str) -> None:
    """The family's standard input comes from a process like the server, which is killed."""
    read, write = os.pipe()
    server = subprocess.Popen(["sleep", "600"], pass_fds=[write])
    os.close(write)
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdin=read, stdout=subprocess.PIPE, text=True) as family:
        os.close(read)
        assert family.stdout is not None
        orphan = int(family.stdout.readline())
        assert family.stdout.readline() == "started\n"
        left = descendants(family.pid)
        assert orphan in left
        assert len(left) == 2
        server.send_signal(signal.SIGKILL if end == "killed" else signal.SIGTERM)
        server.wait()
        assert family.stdout.readline() == "True\n"
    until = time.monotonic() + PATIENCE
    while any(map(runs, left)):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_listening_sockets_and_who_can_reach_them() -> None:
    wanted = {("127.0.0.1", True), ("0.0.0.0", False), ("::1", True), ("::", False), ("::ffff:127.0.0.1", True)}
    opened = {}
    for address, local in wanted:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        one = socket.socket(family)
        one.bind((address, 0))
        one.listen()
        opened[one.getsockname()[1]] = one, address, local
    found = {one.port: one for one in listening([os.getpid()])}
    for port, (one, address, local) in opened.items():
        assert (found[port].address, found[port].local) == (type(found[port].address)(address), local)
        one.close()
    assert not {one.port for one in listening([os.getpid()])} & set(opened)
