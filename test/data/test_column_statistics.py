from __future__ import annotations

import numpy as np

from rt_vla_ros.data.column_statistics import column_statistics, merged_columns, row_statistics


def test_parts_together_have_the_columns_that_all_have() -> None:
    values = np.random.default_rng(0).normal(size=(30, 2))
    parts = [{"action": column_statistics(values[:10]), "scene": column_statistics(values)}]
    parts.append({"action": column_statistics(values[10:])})
    found = merged_columns(parts)
    assert [*found] == ["action"]
    for key, wanted in column_statistics(values).items():
        np.testing.assert_allclose(found["action"][key], wanted)


def test_a_row_of_episodes_says_them_by_column() -> None:
    row = {"episode_index": 0, "stats/observation.images.a/min": [0.0], "stats/action/max": [1.0]}
    assert row_statistics(row) == {"observation.images.a": {"min": [0.0]}, "action": {"max": [1.0]}}
