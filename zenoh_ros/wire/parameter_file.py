"""ROS parameter files: YAML with a section per node, as rcl_yaml_param_parser reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ParameterValue = bool | int | float | str | list[bool] | list[int] | list[float] | list[str]
ANY_NODE = "/**"
PARAMETERS_KEY = "ros__parameters"


class _Loader(yaml.SafeLoader):
    """YAML with ROS's scalars: no dates and no base 60, and 1e3 is a number."""


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|)$"), ["~", "n", ""])
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool",
    re.compile(r"^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$"),
    list("yYnNtTfFoO"),
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0x[0-9a-fA-F]+|[0-9]+)$"), list("-+0123456789")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$"
        r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
    ),
    list("-+.0123456789"),
)


def _integer(_loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(node.value, 16 if "x" in node.value else 10)


def _number(_loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(re.sub(r"\.(?=[a-z])", "", node.value.lower()))


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _number)


@dataclass(frozen=True)
class ParameterRule:
    """A value for one parameter of the nodes whose name fits.

    Attributes:
        node: fully qualified name; "*" stands for one token, "**" for any number of them.
        name: the parameter's name, nested ones joined with dots.
    """

    node: str
    name: str
    value: ParameterValue

    def fits(self, qualified_name: str) -> bool:
        """Tell whether the node called `qualified_name` is meant."""
        pattern = re.escape(self.node).replace(r"/\*\*", r"(?:/\w+)*").replace(r"\*", r"\w+")
        return re.fullmatch(pattern, qualified_name) is not None


def parse_value(text: str) -> ParameterValue:
    """Read one value as on the command line: 1, 1.0, true, words, [1, 2].

    Raises:
        ValueError: nothing, a mapping, or a list of different types.
    """
    try:
        return _checked(yaml.load(text, Loader=_Loader))
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML ({error})") from error


def load_rules(path: str | Path) -> list[ParameterRule]:
    """Read a parameter file.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not a ROS parameter file; the message says where.
    """
    try:
        content = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"not YAML: {error}") from error
    if content is None:
        return []
    if not isinstance(content, Mapping):
        raise ValueError(f"expected node names with '{PARAMETERS_KEY}' under them, found {type(content).__name__}")
    return list(_sections("", content))


def _sections(prefix: str, content: Mapping[str, Any]) -> Iterator[ParameterRule]:
    for key, section in content.items():
        node = f"{prefix}/{str(key).strip('/')}"
        if not isinstance(section, Mapping):
            raise ValueError(f"'{node}' holds {section!r}; expected a mapping with '{PARAMETERS_KEY}'")
        if PARAMETERS_KEY in section:
            for name, value in _flat("", section[PARAMETERS_KEY] or {}):
                yield ParameterRule(node, name, value)
        nested = {name: value for name, value in section.items() if name != PARAMETERS_KEY}
        yield from _sections(node, nested)


def _flat(prefix: str, content: Mapping[str, Any]) -> Iterator[tuple[str, ParameterValue]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{key}.", value)
            continue
        try:
            yield f"{prefix}{key}", _checked(value)
        except ValueError as error:
            raise ValueError(f"parameter '{prefix}{key}': {error}") from error


def _checked(value: Any) -> ParameterValue:
    if isinstance(value, list):
        kinds = {type(item) for item in value}
        if len(kinds) > 1 or not kinds <= {bool, int, float, str}:
            raise ValueError(f"a list needs items of one type (bool, int, float or str), found {value!r}")
        return value
    if not isinstance(value, (bool, int, float, str)):
        raise ValueError(f"expected bool, int, float, str or a list of one of them, found {value!r}")
    return value
