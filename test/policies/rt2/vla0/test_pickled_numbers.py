"""Numbers come out of a pickle as pickle has them, and nothing in it is run."""

from __future__ import annotations

import builtins
import collections
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rt_vla_ros.policies.rt2.vla0.pickled_numbers import LARGEST, MOST_DEPTH, PickledArray, PickleError, read_numbers

NUMBERS: dict[str, Any] = {
    "min": np.array([-0.9375, 0.5, -1.0], np.float32),
    "big-endian": np.arange(3, dtype=">f8"),
    "count": np.array([273465]),
    "by columns": np.arange(6.0).reshape(2, 3).T,
    "scalar": np.float64(0.25),
    "whole": np.int64(-7),
    "list": [1, 2.5, None, True, False, -3, 10**30, "word", b"\xff\x00", (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "ordered": collections.OrderedDict(a={"b": []}),
    "again": [[0.5]] * 3,
}


class Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def read(tmp_path: Path, data: bytes) -> Any:
    path = tmp_path / "stats.pkl"
    path.write_bytes(data)
    return read_numbers(path)


def plain(value: Any) -> Any:
    if isinstance(value, PickledArray):
        return value.value
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list) else value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_numbers_are_read(protocol: int, tmp_path: Path) -> None:
    found = plain(read(tmp_path, pickle.dumps(NUMBERS, protocol=protocol)))
    assert found.keys() == NUMBERS.keys()
    for name, value in NUMBERS.items():
        np.testing.assert_array_equal(np.asarray(found[name], object), np.asarray(value, object), err_msg=name)
        if isinstance(value, np.ndarray):
            assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)


def test_names_of_both_numpys(tmp_path: Path) -> None:
    data = pickle.dumps(np.arange(2.0), protocol=2)
    for old, new in ((b"numpy._core.", b"numpy.core."), (b"numpy.core.", b"numpy._core.")):
        np.testing.assert_array_equal(read(tmp_path, data.replace(old, new)).value, [0, 1])


HOSTILE = {
    "system": Calls(os.system, "touch {}"),
    "eval": Calls(builtins.eval, "open({!r}, 'w')"),
    "exec in a list": [{"a": [Calls(builtins.exec, "open({!r}, 'w')")]}],
    "an attribute": Calls(getattr, "{}", "format"),
    "numpy's own": Calls(np.load, "{}"),
    "a class": Path("x"),
    "objects": np.array([1, None], object),
    "words": np.array(["a"]),
    "structured": np.zeros(1, [("x", "f4")]),
    "times": np.array(["2026-01-01"], "M8[D]"),
    "complex": np.array([1j]),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_no_other_object_is_created(name: str, protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "was-run"
    text = pickle.dumps(HOSTILE[name], protocol=protocol)
    if b"{" in text and protocol == 0:  # lengths are part of later protocols
        text = text.replace(b"{}", str(mark).encode()).replace(b"{!r}", repr(str(mark)).encode())
    with pytest.raises(PickleError, match=r"not executed|expected numbers|damaged|not an array|neither"):
        read(tmp_path, text)
    assert not mark.exists()


INSTRUCTIONS = {
    "a persistent name": b"\x80\x02Pname\n.",
    "the table of extensions": b"\x80\x02\x82\x01.",
    "a class by INST": b"(S'echo'\nios\nsystem\n.",
    "a new object": b"\x80\x02cnumpy\nndarray\n)\x81.",
    "an object's state": b"\x80\x02}K\x01b.",
    "the state of a name": b"\x80\x02cnumpy\nndarray\n}b.",
    "a set": b"\x80\x04\x8f.",
    "a buffer from elsewhere": b"\x80\x05\x97.",
    "a copy of the top": b"\x80\x02K\x012\x85R.",
}


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_opcodes_not_needed_for_numbers_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(PickleError, match="not executed"):
        read(tmp_path, INSTRUCTIONS[name])


DAMAGED = {
    "empty": b"",
    "a text": b"these are no numbers",
    "cut off": pickle.dumps(NUMBERS)[:-9],
    "nothing to take": b"\x80\x02R.",
    "nothing to end": b"\x80\x02.",
    "no mark": b"\x80\x02u.",
    "below the mark": b"\x80\x02K\x01(\x85.",
    "a name of half a character": b"\x80\x04X\x03\x00\x00\x00\xed\xa0\x80X\x01\x00\x00\x00a\x93.",
    "a name of numbers": b"\x80\x04K\x01K\x02\x93.",
    "an unknown place": b"\x80\x02h\x05.",
    "a list as a key": b"\x80\x02}]K\x01s.",
    "half an entry": b"\x80\x02}(K\x01u.",
    "an entry of a list": b"\x80\x02]K\x01K\x02s.",
    "no list": b"\x80\x02}K\x01a.",
    "a shape that does not fit": pickle.dumps(np.zeros(7, np.float32)).replace(b"K\x07\x85", b"K\x08\x85"),
    "a number of 10,000 digits": b"I" + b"9" * 10_000 + b"\n.",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_pickles(name: str, tmp_path: Path) -> None:
    with pytest.raises(PickleError, match=r"stats\.pkl"):
        read(tmp_path, DAMAGED[name])


def test_huge_pickles_are_refused_quickly(tmp_path: Path) -> None:
    nested: list[Any] = []
    for _ in range(60):
        nested = [nested, nested]  # 2^60 lists, if they were counted out
    name: tuple[Any, ...] = ()
    for _ in range(60):
        name = (name, name)
    tuples = pickle.dumps(name, 4)[2:-1]
    with pytest.raises(PickleError, match="a global's name is not a string"):
        read(tmp_path, b"\x80\x04" + tuples + tuples + b"\x93.")
    assert len(read(tmp_path, pickle.dumps(nested))) == 2
    far = b"\x80\x02K\x01r" + struct.pack("<I", 2**32 - 1) + b"."
    assert read(tmp_path, far) == 1, "a place far away in the memo takes no room"
    deep = read(tmp_path, b"\x80\x02N" + b"\x85" * 19_000 + b".")
    assert isinstance(deep, tuple)
    for data, sentence in (
        (b"(" * (MOST_DEPTH + 2) + b".", "is nested more than"),
        (b"\x80\x02" + b"Nq\x00" * 12_000 + b".", "more than 20,000 opcodes"),
        (b"\x80\x02" + b"]" * 20_001 + b".", "more than 20,000 opcodes"),
        (b"\x80\x02X" + struct.pack("<I", 2**31) + b"a.", "damaged"),
        (b"\x80\x02" + b"N" * LARGEST, "expected at most"),
    ):
        with pytest.raises(PickleError, match=sentence):
            read(tmp_path, data)


def test_missing_and_special_files_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing", "pipe", "."):
        with pytest.raises(PickleError, match=r"cannot be read|expected a regular file"):
            read_numbers(tmp_path / name)
