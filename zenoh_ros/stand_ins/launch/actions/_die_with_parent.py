"""Executes the given program such that it is killed when its parent process ends, for whatever reason.

Run as a script with `PARENT_PID PROGRAM ARGUMENT...`. PR_SET_PDEATHSIG (prctl(2)) survives exec. This is a separate
script rather than a function between fork and exec, because the launch process has threads.
"""

import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Never returns."""
    # A launch in the background of a shell script ignores SIGINT, and its nodes would inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):  # the parent ended before prctl was called
        sys.exit(1)
    program = sys.argv[2:]
    try:
        os.execvp(program[0], program)
    except OSError as error:
        sys.exit(f"{program[0]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main()
