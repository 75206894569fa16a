"""ROS parameter files and `-p` values: the algorithm of rcl_yaml_param_parser (ROS 2 Jazzy) on libyaml's events.

Unusual files are read as rcl reads them. Only what rcl silently misreads is rejected: a list or a mapping in a list,
and a 'ros__parameters' that is not a mapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from zenoh_ros.wire.name_rules import MAX_NAMESPACE, MAX_NODE_NAME
from zenoh_ros.wire.parameter_table import NamedValue, ParameterTable
from zenoh_ros.wire.parameter_values import read_scalar

PARAMETERS_KEY = "ros__parameters"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT_TAG = "tag:yaml.org,2002:str"
_NODE_NAME = re.compile(
    rf"/?(?:(?:[A-Za-z_]\w{{0,{MAX_NAMESPACE - 2}}}|\*\*?)/)*(?:[A-Za-z_]\w{{0,{MAX_NODE_NAME - 1}}}|\*\*?)", re.ASCII
)


def read_file(path: str | Path, table: ParameterTable) -> None:
    """Add the values of a parameter file to a table.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a ROS parameter file; the message says where.
    """
    reader = _FileReader(table)
    for event in _events(Path(path).read_bytes()):
        reader.take(event)


def read_value(text: str, entry: NamedValue) -> None:
    """Give an entry the value in a text, as on the command line: 1, 1.0, true, words, [1, 2].

    Raises:
        ValueError: empty, invalid YAML, a mapping, or a list of different types.
    """
    if not text:
        raise ValueError(
            "no value; expected bool, int, float, str or a list of one of them, and '' for an empty string"
        )
    values = _Values()
    for event in _events(text.encode("utf-8", "surrogateescape")):
        if isinstance(event, yaml.MappingStartEvent):
            raise ValueError("a mapping; expected bool, int, float, str or a list of one of them")
        if isinstance(event, yaml.ScalarEvent):
            values.take(event, entry)
        elif isinstance(event, yaml.SequenceStartEvent):
            values.start_list(event)
        elif isinstance(event, yaml.SequenceEndEvent):
            values.in_list = False


def _events(data: bytes) -> Iterator[yaml.Event]:
    try:
        for event in yaml.parse(data, Loader=_LOADER):
            if isinstance(event, yaml.AliasEvent):
                raise ValueError(f"{_line(event)}: an alias ('*{event.anchor}'); parameters cannot have one")
            yield event
    except (yaml.YAMLError, UnicodeError) as error:
        raise ValueError(f"not YAML: {error}") from error


def _line(event: yaml.Event) -> str:
    assert event.start_mark is not None
    return f"line {event.start_mark.line + 1}"


class _Values:
    """Values of entries, each a scalar or a list of scalars of one type."""

    def __init__(self) -> None:
        self.in_list = False
        self._kind: type | None = None
        self._array: list[bool | int | float | str] = []

    def start_list(self, event: yaml.Event) -> None:
        if self.in_list:
            raise ValueError(f"{_line(event)}: a list in a list; expected bool, int, float or str, all of one type")
        self.in_list, self._kind = True, None

    def take(self, event: yaml.ScalarEvent, entry: NamedValue) -> None:
        quoted = event.style in ("'", '"')
        if not event.value and not quoted:
            raise ValueError(f"{_line(event)}: no value; expected bool, int, float, str or a list of one of them")
        text = event.value.partition("\0")[0]  # rcl's strings are C strings
        value = text if quoted or event.tag == _TEXT_TAG else read_scalar(text)
        if not self.in_list:
            entry.set(value)
            return
        if self._kind is None:
            self._kind = type(value)
            self._array = entry.start_array(self._kind)
        if type(value) is not self._kind:
            raise ValueError(
                f"{_line(event)}: a list needs items of one type (bool, int, float or str), "
                f"found {self._kind.__name__} and {type(value).__name__} in {entry.name!r}"
            )
        self._array.append(value)


class _Path:
    """Nested names, joined with a separator."""

    def __init__(self, separator: str) -> None:
        self._separator = separator
        self.depth = 0
        self.text = ""

    def push(self, name: str) -> None:
        glue = "" if not self.depth or self.text.endswith(self._separator) else self._separator
        self.text, self.depth = f"{self.text}{glue}{name}", self.depth + 1

    def pop(self) -> None:
        self.depth = max(self.depth - 1, 0)
        if not self.depth:
            self.text = ""
        elif self._separator in self.text:
            self.text = self.text.rpartition(self._separator)[0]


class _FileReader:
    """Processes the events of a file one by one, see parse_file_events in parse.c."""

    def __init__(self, table: ParameterTable) -> None:
        self._table = table
        self._values = _Values()
        self._node_path, self._name_path = _Path("/"), _Path(".")
        self._node = ""
        self._entry: NamedValue | None = None
        self._depth = 0
        self._in_section = False  # whether keys are parameter names rather than node names
        self._opens_section = False  # whether the previous key was 'ros__parameters'
        self._is_key = True
        self._is_new_map = False

    def take(self, event: yaml.Event) -> None:
        if self._opens_section and not isinstance(event, yaml.MappingStartEvent):
            raise ValueError(
                f"{_line(event)}: '{PARAMETERS_KEY}' of '{self._node}' is not a mapping; expected name: value"
            )
        self._opens_section = False
        if isinstance(event, yaml.ScalarEvent):
            (self._take_key if self._is_key else self._take_value)(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._start_list(event)
        elif isinstance(event, yaml.SequenceEndEvent):
            self._values.in_list, self._is_key = False, True
        elif isinstance(event, yaml.MappingStartEvent):
            self._start_mapping(event)
        elif isinstance(event, yaml.MappingEndEvent):
            self._end_mapping()

    def _take_key(self, event: yaml.ScalarEvent) -> None:
        key = event.value.partition("\0")[0]
        if not event.value:
            raise ValueError(f"{_line(event)}: no name before ':'")
        self._is_key = False
        if self._in_section:
            self._name(event, key)
        elif key.startswith(PARAMETERS_KEY):
            self._open_section(event)
        else:
            self._node_path.push(key)

    def _open_section(self, event: yaml.ScalarEvent) -> None:
        name = self._node_path.text
        if not self._node_path.depth:
            raise ValueError(f"{_line(event)}: there is no node name above '{PARAMETERS_KEY}'")
        if _NODE_NAME.fullmatch(name) is None:
            raise ValueError(
                f"{_line(event)}: '{name}' is not the name of a node: expected letters, digits and '_' between '/', "
                "or the wildcards '*' and '**'"
            )
        self._node, self._entry = name, None
        self._table.nodes.setdefault(name, [])
        self._node_path.pop()
        self._in_section = self._opens_section = True

    def _name(self, event: yaml.ScalarEvent, key: str) -> None:
        if self._is_new_map:
            if self._entry is None:
                raise ValueError(
                    f"{_line(event)}: '{key}' is in a mapping without a name; "
                    f"'{PARAMETERS_KEY}' has no other key beside it"
                )
            self._name_path.text, self._name_path.depth = self._entry.name, self._name_path.depth + 1
            self._is_new_map = False
        if not self._name_path.depth:
            self._entry = self._table.entry(self._node, key)
        else:
            self._entry = self._table.entry(self._node, self._name_path.text)
            self._entry.name = f"{self._name_path.text}.{key}"

    def _take_value(self, event: yaml.ScalarEvent) -> None:
        if not self._in_section or self._entry is None or not self._table.nodes[self._node]:
            raise ValueError(
                f"{_line(event)}: '{self._node_path.text}' holds {event.value!r}; "
                f"expected a mapping with '{PARAMETERS_KEY}'"
            )
        self._values.take(event, self._entry)
        self._is_key = not self._values.in_list

    def _start_list(self, event: yaml.Event) -> None:
        if self._is_key or not self._in_section:
            raise ValueError(
                f"{_line(event)}: a list where a name is expected: "
                f"expected node names with '{PARAMETERS_KEY}' under them"
            )
        self._values.start_list(event)

    def _start_mapping(self, event: yaml.Event) -> None:
        if self._values.in_list:
            raise ValueError(f"{_line(event)}: a mapping in a list; expected bool, int, float or str, all of one type")
        self._depth += 1
        self._is_key = True
        self._is_new_map = not (self._in_section and self._depth - self._node_path.depth == 3)

    def _end_mapping(self) -> None:
        if not self._in_section:
            if self._depth == self._node_path.depth + 1:
                self._node_path.pop()
        elif self._name_path.depth:
            self._name_path.pop()
        else:
            self._in_section = False
        self._depth -= 1
