"""The simulated table that shipped policies are tried on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rt_vla_ros.sim.tabletop_sim import TabletopSim


@pytest.fixture(scope="module")
def sim() -> Iterator[TabletopSim]:
    tabletop = TabletopSim()
    yield tabletop
    tabletop.close()
