"""Docstrings of this project name an object's fields or parameters in lines such as `width, height: size [pixel].`"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import griffe

_ENTRY = re.compile(r"(?:^|(?<=\n)|(?<=[.;] ))(?P<names>\w+(?:, \w+)*(?: and \w+)?): ")
_END = re.compile(r"\n\s*\n|\n(?=Raises |Returns )")


def split_fields(text: str, names: Collection[str]) -> tuple[str, dict[str, str]]:
    """The docstring without the entries of `names`, and these entries by name, each in one line."""
    rest, entries, at = "", dict[str, str](), 0
    found = [match for match in _ENTRY.finditer(text) if set(_words(match)) <= set(names)]
    for number, match in enumerate(found):
        following = found[number + 1].start() if number + 1 < len(found) else len(text)
        end = _END.search(text, match.end(), following)
        stop = end.start() if end else following
        rest += text[at : match.start()]
        at = stop
        for name in _words(match):
            entries[name] = " ".join(text[match.end() : stop].split())
    return (rest + text[at:]).strip(), entries


def _words(match: re.Match[str]) -> list[str]:
    return re.split(r", | and ", match["names"])


class FieldsExtension(griffe.Extension):
    """Gives mkdocstrings those entries as sections that it knows."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """See griffe.Extension."""
        if obj.docstring is None:
            return
        if isinstance(obj, griffe.Function):
            names, section = {parameter.name for parameter in obj.parameters}, "Args"
        elif isinstance(obj, griffe.Class):
            names, section = set(obj.attributes) | _parameters(obj), "Attributes"
        else:
            return
        rest, entries = split_fields(obj.docstring.value, names)
        if entries:
            lines = [f"    {name}: {text}" for name, text in entries.items()]
            obj.docstring.value = "\n".join([rest, "", f"{section}:", *lines])


def _parameters(obj: griffe.Class) -> set[str]:
    made = obj.members.get("__init__")
    return {parameter.name for parameter in made.parameters} if isinstance(made, griffe.Function) else set()
