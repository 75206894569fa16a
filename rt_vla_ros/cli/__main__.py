"""`python -m rt_vla_ros.cli`: the same as the program `rt-vla`."""

import sys

from rt_vla_ros.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
