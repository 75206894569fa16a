"""The messages of bags in recorded order, including the readable part of a damaged one. No ROS."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import NamedTuple

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader
from rosbags.rosbag2.storage_mcap import DECOMPRESSORS, McapReader

MAGIC, ZSTD = b"\x89MCAP0\r\n", b"\x28\xb5\x2f\xfd"
SUFFIXES = (".mcap", ".db3")
FINGERPRINT_BYTES = 64 << 10  # with the first messages and their times


class BagError(ValueError):
    """The bag cannot be read; the message says why."""


class BagMessage(NamedTuple):
    """topic, type name; when it was recorded [ns]; its bytes (CDR)."""

    topic: str
    kind: str
    time_ns: int
    data: bytes


class Bag:
    """One recording: a directory of rosbag2, or a file .mcap or .db3 of one. Use it in a `with`.

    kinds: types by topic, of topics with messages. notes: problems of the bag, as sentences; more may be added while
    it is read. fingerprint: hash of the start of its first file, independent of its path.
    """

    def __init__(self, path: Path) -> None:
        """Raises BagError, OSError."""
        self.path, self.notes = path, list[str]()
        self._stack = ExitStack()
        self._readers: list[Reader | McapReader] = []
        self._salvages = False  # then there are no counts
        try:
            self._open()
        except BaseException:
            self._stack.close()
            raise
        self.fingerprint = _fingerprint(path)
        connections = [one for reader in self._readers for one in reader.connections]
        self.kinds = {one.topic: one.msgtype for one in connections if one.msgcount or self._salvages}
        if not self.kinds:
            self._stack.close()
            raise BagError(f"{path} is not a readable bag: it has no complete message. {' '.join(self.notes)}")

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def messages(self, topics: Collection[str]) -> Iterator[BagMessage]:
        """The messages of some topics; a damaged bag ends early, with a note. Memory does not grow with its length."""
        for reader in self._readers:
            chosen = [one for one in reader.connections if one.topic in topics]
            count, last_ns = 0, 0
            try:
                for connection, time_ns, data in _read(reader, chosen) if chosen else ():
                    raw = DECOMPRESSORS["zstd"](bytes(data), 0) if data[:4] == ZSTD else bytes(data)
                    count, last_ns = count + 1, time_ns
                    yield BagMessage(connection.topic, connection.msgtype, time_ns, raw)
            except GeneratorExit:
                raise
            except Exception as error:  # of MCAP, SQLite and of three kinds of compression
                where = f"after {count} messages, at {last_ns / 1e9:.3f} s" if count else "at its start"
                note = f"{reader.path} is damaged {where}: the rest is skipped ({_one_line(error)})."
                if note not in self.notes:
                    self.notes.append(note)

    def _open(self) -> None:
        if not self.path.exists():
            raise BagError(f"There is no bag {self.path}.")
        refusal: Exception | None = None
        if not self.path.is_dir() or (self.path / "metadata.yaml").exists():
            try:
                self._enter(self.path)
                return
            except Exception as error:  # see above
                refusal = error
        files = _parts(self.path) if self.path.is_dir() else [self.path]
        if not files:
            packed = [one.name for one in sorted(self.path.glob("*.zstd"))] if self.path.is_dir() else []
            hint = f"; unpack {packed[0]} first (zstd -d)" if packed else ""
            why = _one_line(refusal) if refusal is not None else f"it has no metadata.yaml and no .mcap or .db3{hint}"
            raise BagError(f"{self.path} is not a readable bag: {why}.")
        if refusal is None:
            self.notes.append(
                f"{self.path} has no metadata.yaml, because its recorder was killed; the {len(files)} files are read "
                "one by one (`ros2 bag reindex` restores it)."
            )
        elif self.path.is_dir():
            self.notes.append(
                f"{self.path} is incomplete: {_one_line(refusal)}. The existing files are read one by one."
            )
        for file in files:
            self._enter_file(file)
        if not self._readers:
            raise BagError(f"{self.path} is not a readable bag: {' '.join(self.notes)}")

    def _enter(self, path: Path) -> None:
        reader = Reader(path)
        reader.open()
        self._stack.callback(reader.close)
        self._readers.append(reader)
        beside = path.with_name(path.name + "-wal")
        if beside.exists() and beside.stat().st_size:
            self.notes.append(
                f"{beside} holds messages that are not in {path.name} yet; copy both files and run: sqlite3 "
                f"{path.name} "
                "'pragma wal_checkpoint'."
            )

    def _enter_file(self, path: Path) -> None:
        try:
            self._enter(path)
        except Exception as error:  # see above
            reader = _salvaged(path) if path.suffix == ".mcap" else None
            if reader is None:
                self.notes.append(f"{path} cannot be read: {_one_line(error)}.")
                return
            self._stack.callback(reader.close)
            self._readers.append(reader)
            self._salvages = True
            self.notes.append(f"{path} is damaged or unfinished ({_one_line(error)}): its complete part is read.")


def _read(reader: Reader | McapReader, chosen: list[Connection]) -> Iterator[tuple[Connection, int, bytes]]:
    return reader.messages_scan(chosen) if isinstance(reader, McapReader) else reader.messages(chosen)


def _parts(directory: Path, endings: tuple[str, ...] = SUFFIXES) -> list[Path]:
    """Its files in recorded order."""
    files = [one for one in directory.iterdir() if one.name.endswith(endings)]
    return sorted(files, key=lambda one: [int(part) if part.isdigit() else 0 for part in re.split(r"(\d+)", one.stem)])


def _fingerprint(path: Path) -> str:
    files = _parts(path, (*SUFFIXES, *(f"{suffix}.zstd" for suffix in SUFFIXES))) if path.is_dir() else [path]
    digest = hashlib.sha256()
    for file in files[:1]:
        with file.open("rb") as begun:
            digest.update(begun.read(FINGERPRINT_BYTES))
    return digest.hexdigest()[:32]


def _salvaged(path: Path) -> McapReader | None:
    """A reader of a truncated MCAP file: it scans the records and has the topics of the complete ones."""
    reader = McapReader(path)
    reader.bio = path.open("rb")
    head = reader.bio.read(17)
    if len(head) < 17 or head[:9] != MAGIC + b"\x01":
        reader.bio.close()
        return None
    reader.data_start = 17 + int.from_bytes(head[9:], "little")
    reader.data_end = path.stat().st_size
    with suppress(Exception):  # it ends where the file does
        reader.meta_scan()
    return reader


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
