"""Where the episodes of a bag begin and end: by a topic, by times, or the whole bag as one."""

from __future__ import annotations

from dataclasses import dataclass

BEGINS = ("start", "begin", "record")
ENDS = {"success": True, "stop": None, "end": None, "failure": False, "fail": False}
DISCARDS = ("discard", "abort", "cancel")
LABEL = "label"


@dataclass(frozen=True)
class Cut:
    """A time [ns] at which the current episode ends, and possibly another begins.

    begins: whether one begins. instruction: of the new one; empty: by the instruction topic. success: of the ended
    one; None: the default of all. discard: whether the ended one is discarded. relabels: it neither begins nor ends
    one: `success` is the label of the one that ended last.
    """

    time_ns: int
    begins: bool
    instruction: str = ""
    success: bool | None = None
    discard: bool = False
    relabels: bool = False


class EpisodeCuts:
    """Makes cuts from a topic's messages.

    A Bool: true begins an episode, false ends it. A String: one of BEGINS begins one (also "start: what to do"), ENDS
    and DISCARDS end it; "label: success" or "label: failure" after its end changes its label. Any other text is an
    instruction, which begins an episode unless it is that of the current one; an empty text ends it.
    """

    def __init__(self) -> None:
        self._under_way: str | None = None  # the text that began it

    def hear(self, value: bool | str, time_ns: int) -> Cut | None:
        """Handles a message of the topic; None if it changes nothing."""
        if isinstance(value, bool):
            return self._begin("true", "", time_ns) if value else self._end(time_ns)
        text = value.strip()
        word, _, rest = text.partition(":")
        word = word.strip().lower()
        if word in BEGINS:
            self._under_way = None  # each of them begins one
            return self._begin(text, rest.strip(), time_ns)
        if word == LABEL and (success := ENDS.get(rest.strip().lower())) is not None:
            return None if self._under_way is not None else Cut(time_ns, False, success=success, relabels=True)
        if text.lower() in DISCARDS:
            return self._end(time_ns, discard=True)
        if not text or text.lower() in ENDS:
            return self._end(time_ns, success=ENDS.get(text.lower()))
        return self._begin(text, text, time_ns)

    def _begin(self, text: str, instruction: str, time_ns: int) -> Cut | None:
        if self._under_way == text:
            return None
        self._under_way = text
        return Cut(time_ns, True, instruction)

    def _end(self, time_ns: int, *, success: bool | None = None, discard: bool = False) -> Cut | None:
        if self._under_way is None:
            return None
        self._under_way = None
        return Cut(time_ns, False, success=success, discard=discard)


def cuts_at(spans: list[tuple[float, float]], begin_ns: int) -> list[Cut]:
    """Cuts at increasing times from a bag's start [s]."""
    cuts = []
    for first, last in spans:
        cuts.append(Cut(begin_ns + round(first * 1e9), True))
        cuts.append(Cut(begin_ns + round(last * 1e9), False))
    return cuts
