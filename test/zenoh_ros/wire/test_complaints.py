"""However many messages cannot be read, the log stays short."""

from __future__ import annotations

import logging

import pytest

from zenoh_ros.wire.complaints import Complaints


class Heard(logging.Handler):
    """Keeps the lines."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    handler = Heard()
    monkeypatch.setattr(logging.getLogger("zenoh_ros.wire"), "handlers", [handler])
    return handler.lines


def test_few_of_many_senders_are_logged(lines: list[str]) -> None:
    complaints = Complaints()
    for sender in range(20_000):
        complaints.add(sender.to_bytes(16, "little"), f"/image: a message from sender {sender} cannot be read")
    assert complaints.count == 20_000
    assert lines[:5] == [f"/image: a message from sender {sender} cannot be read" for sender in range(5)]
    assert [line.rpartition("(")[2].split()[0] for line in lines[5:]] == ["10", "100", "1000", "10000"]
    assert len(complaints._known) == 5


def test_one_sender_is_named_once(lines: list[str]) -> None:
    complaints = Complaints()
    for _ in range(9):
        complaints.add("same", "said once")
    assert lines == ["said once"]


def test_what_is_quoted_is_cut(lines: list[str]) -> None:
    Complaints().add("", "x" * 100_000)
    assert lines == ["x" * 500 + "..."]
