"""What is counted of a topic whose stamps are not all of one clock."""

from __future__ import annotations

import pytest

from rt_vla_ros.recording.sample_stream import SECOND, SampleStream

NOW_NS = 1_700_000_000 * SECOND


@pytest.mark.parametrize("odd_ns", [0, 2 * NOW_NS])
def test_one_stamp_of_another_clock_says_nothing_of_rate_and_gaps(odd_ns: int) -> None:
    stream = SampleStream[int]("camera 'front'", steady=True)
    stream.put(odd_ns, 0, NOW_NS)  # as before /clock is there
    for i in range(30):
        stamp_ns = NOW_NS + i * SECOND // 10
        stream.put(stamp_ns, i, stamp_ns)
    audit = stream.audit.to_dict()
    assert (audit["messages"], audit["other_clock"], audit["missing"]) == (31, 1, 0)
    assert audit["rate"] == pytest.approx(10.0)
    assert audit["longest_gap"] == pytest.approx(0.1)
    assert len(stream.audit.problems(stream.name)) == 1
