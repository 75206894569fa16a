"""`python -m rt_vla_ros.cli`: the same as the program `rt-vla`."""

import signal
import sys

# Ctrl-C while this program is still being imported ends it without a traceback.
BEFORE = signal.getsignal(signal.SIGINT)
if BEFORE is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

try:
    from rt_vla_ros.cli.main import main
except ModuleNotFoundError as error:
    if error.name is None or error.name.partition(".")[0] != "zenoh_ros":
        raise
    sys.exit(
        "rt-vla: A colcon installation has the nodes and launch files only (ros2 run, ros2 launch). "
        "For the commands, run ./rt-vla in the checkout."
    )

signal.signal(signal.SIGINT, BEFORE)

if __name__ == "__main__":
    sys.exit(main())
