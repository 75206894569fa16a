from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from support.runner_desk import Desk, Recorder


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk(Recorder(translation=np.array([0.01, 0, 0])))
    yield desk
    desk.policy.gate.set()
    desk.runner.close()
