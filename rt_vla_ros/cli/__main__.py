"""`python -m rt_vla_ros.cli`: the same as the program `rt-vla`."""

import signal
import sys

# Ctrl-C while this program is still being imported ends it without a traceback.
BEFORE = signal.getsignal(signal.SIGINT)
if BEFORE is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from rt_vla_ros.cli.main import main  # noqa: E402

signal.signal(signal.SIGINT, BEFORE)

if __name__ == "__main__":
    sys.exit(main())
