"""Draws delays.svg from what `evaluate --delay` wrote: .venv/bin/python docs/images/delays.py DIR DIR ..."""

import json
import sys
from pathlib import Path

from rt_vla_ros.evaluation.delays import delay_plot

runs = [json.loads((Path(folder) / "evaluation.json").read_text())["delays"] for folder in sys.argv[1:]]
Path(__file__).with_suffix(".svg").write_text(delay_plot({run[0]["policy"]: run for run in runs}))
