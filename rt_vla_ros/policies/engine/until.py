"""A regular expression, without lookahead, for a text up to the first occurrence of a marker."""

from __future__ import annotations

from collections.abc import Sequence


def until(marker: str) -> str:
    """Matches any text that ends with the marker and contains it only there. Raises ValueError for an empty marker.

    The automaton of Knuth, Morris and Pratt has a state for each prefix of the marker that the text ends with. What may
    follow a state is `forward` to the next one, then its own expression, or `back` to an earlier state. The states are
    eliminated from the last to the first (Arden's rule).
    """
    if not marker:
        raise ValueError("expected a marker of at least one character")
    back: dict[int, str] = {}  # after elimination of the later states: the way back to each earlier state
    rest = ""  # from there to the end
    for state in range(len(marker) - 1, -1, -1):
        step = _literal(marker[state])
        back = {to: step + way for to, way in back.items()}
        for to, signs in _falls(marker, state).items():
            back[to] = f"{back[to]}|{signs}" if to in back else signs
        loop = back.pop(state, "")
        again = f"(?:{loop})*" if loop else ""
        rest = f"{again}{step}{rest}"
        back = {to: f"{again}(?:{way})" for to, way in back.items()}
    return rest


def _falls(marker: str, state: int) -> dict[int, str]:
    """The characters other than the next one of the marker, by the state that they lead to."""
    signs = sorted(set(marker[: state + 1]))
    known = {sign: _after(marker, marker[:state] + sign) for sign in signs if sign != marker[state]}
    falls: dict[int, str] = {}
    for to in sorted(set(known.values()) - {0}):
        falls[to] = _among([sign for sign, at in known.items() if at == to])
    others = [sign for sign in signs if sign == marker[state] or known[sign] > 0]
    falls[0] = f"[^{''.join(map(_escaped, others))}]"
    return falls


def _after(marker: str, text: str) -> int:
    """The length of the longest prefix of the marker that the text ends with."""
    return next(size for size in range(min(len(marker), len(text)), -1, -1) if text.endswith(marker[:size]))


def _among(signs: Sequence[str]) -> str:
    return _literal(signs[0]) if len(signs) == 1 else f"[{''.join(map(_escaped, signs))}]"


def _literal(sign: str) -> str:
    """A character outside brackets. re.escape escapes spaces too, which not every engine's expressions know."""
    return f"\\{sign}" if sign in r".^$*+?{}[]\|()" else sign


def _escaped(sign: str) -> str:
    """A character within brackets."""
    return f"\\{sign}" if sign in r"\]^-[" else sign
