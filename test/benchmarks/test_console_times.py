"""Times of the page in a browser, as a summary and in words."""

from __future__ import annotations

from rt_vla_ros.benchmarks.console_times import Trial, sentence, summary, table


def test_median_and_largest_in_milliseconds() -> None:
    many = [Trial(0.1, 0.04), Trial(0.3, 0.06), Trial(0.2, 0.05)]
    rows = summary({"the console is killed": many, "STOP is pressed": [Trial(0.0614)]})
    assert rows[0]["still"] == {"median": 200, "largest": 300}
    assert rows[0]["said"] == {"median": 50, "largest": 60}
    assert (rows[1]["still"], rows[1]["said"]) == ({"median": 61, "largest": 61}, None)
    assert sentence(rows[0]) == (
        "the console is killed, 3 times: velocity zero after 200 ms in the median, 300 ms at most; the page says so "
        "after 50 ms in the median, 60 ms at most"
    )
    assert [line.split()[-4:] for line in table(rows).splitlines()[2:]] == [
        ["200", "300", "50", "60"],
        ["61", "61", "-", "-"],
    ]
