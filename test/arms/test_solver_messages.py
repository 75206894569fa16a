"""The messages between a node and the process of a solver."""

from __future__ import annotations

import pytest

from rt_vla_ros.arms.solver_messages import HEADER, Kind, SolverMessage, frame, take


def test_messages_are_taken_one_by_one_from_what_has_come() -> None:
    both = frame(SolverMessage(Kind.SOLVE, 1, b"one")) + frame(SolverMessage(Kind.SOLVED, 2**60, b""))
    buffer, taken = bytearray(), []
    for byte in both:
        buffer.append(byte)
        if (message := take(buffer)) is not None:
            taken.append(message)
    assert taken == [(Kind.SOLVE, 1, b"one"), (Kind.SOLVED, 2**60, b"")]
    assert not buffer


@pytest.mark.parametrize(
    "header", [(b"HTTP", 1, 0, 0), (b"RVIK", 99, 0, 0), (b"RVIK", 1, 0, 2**32 - 1)], ids=["magic", "kind", "length"]
)
def test_what_is_no_message_is_refused(header: tuple) -> None:
    with pytest.raises(ValueError, match=r"."):
        take(bytearray(HEADER.pack(*header)))
