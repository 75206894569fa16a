from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from rt_vla_ros.evaluation.plots import plot_bars, plot_histogram, plot_rate


def test_plots_are_well_formed_even_of_very_little() -> None:
    plots = [
        plot_rate([1.0], [0.2], [1.0], 7),
        plot_histogram([0.0, 0.0], [0], "ms", "<nothing>"),
        plot_bars(["red cube"], [0], [1]),
    ]
    for plot in plots:
        assert ElementTree.fromstring(plot).tag == "svg"
