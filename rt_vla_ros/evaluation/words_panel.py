"""The text panel below the frames of a run: the policy's plan, questions and answers."""

from __future__ import annotations

from itertools import zip_longest
from typing import NamedTuple

from PIL import ImageDraw

from rt_vla_ros.evaluation.lettering import ANSWER, BAD, MUTED, TEXT, Colour, font, one_line, wrapped
from rt_vla_ros.evaluation.record import QuestionRecord, Trajectory

FACE = font(15)
LEFT, MARGIN, LINE = 14, 7, 20  # at the sides; above and below each part; height of a line [px]
TIME, QUESTION, ANSWERED = 54, 330, 384  # where questions, the times of answers, and answers begin, behind LEFT [px]
ROWS, CELL = 4, 2  # lines that are seen at once; lines of one question, and of one answer


class PanelLine(NamedTuple):
    """The lines of a question and its answer, with their time."""

    asked: str
    question: str
    answered: str
    answer: str
    colour: Colour


class WordsPanel:
    """The panel of a run. height: 0 if there is no text [px]."""

    def __init__(self, run: Trajectory, width: int) -> None:
        """width: of the panel; its height is the same for every frame of the run [px]."""
        self._questions, self._width = run.questions, width
        self._plan_lines = max((len(self._plan(chunk.plan)) for _, chunk, _ in run.actions), default=0)
        rows = sum(len(self._lines(question, float("inf"))) for question in run.questions)
        self.height = _height(self._plan_lines) + _height(min(rows, ROWS))

    def draw(self, draw: ImageDraw.ImageDraw, top: int, time: float, plan: str, *, planned: bool) -> None:
        """The panel at `time` [s]. planned: whether the plan is the policy's own, not the reason of a stop."""
        if plan:
            draw.text((LEFT, top + MARGIN), "plan" if planned else "stop", MUTED, FACE)
        for number, text in enumerate(self._plan(plan)):
            draw.text((LEFT + TIME, top + MARGIN + number * LINE), text, TEXT, FACE)
        top += _height(self._plan_lines)
        for number, line in enumerate(self.lines_at(time)):
            y = top + MARGIN + number * LINE
            draw.text((LEFT, y), line.asked, MUTED, FACE)
            draw.text((LEFT + TIME, y), line.question, TEXT, FACE)
            draw.text((LEFT + QUESTION, y), line.answered, MUTED, FACE)
            draw.text((LEFT + ANSWERED, y), line.answer, line.colour, FACE)

    def lines_at(self, time: float) -> list[PanelLine]:
        """The newest questions asked until `time` [s], with the answers so far."""
        lines = list[PanelLine]()
        for question in reversed(self._questions):
            if question.asked <= time:
                more = self._lines(question, time)
                if len(lines) + len(more) > ROWS:
                    break
                lines[:0] = more
        return lines

    def _plan(self, plan: str) -> list[str]:
        return wrapped(one_line(plan), self._width - 2 * LEFT - TIME, FACE, CELL)

    def _lines(self, question: QuestionRecord, time: float) -> list[PanelLine]:
        answered, answer, colour = "", "...", MUTED
        if question.problem and (question.answered is None or question.answered <= time):
            answer, colour = f"no answer: {question.problem}", BAD
        elif question.answered is not None and question.answered <= time:
            answered, answer, colour = _time(question.answered), one_line(question.answer) or "(nothing)", ANSWER
        asked = wrapped(one_line(question.question), QUESTION - TIME - MARGIN, FACE, CELL)
        said = wrapped(answer, self._width - 2 * LEFT - ANSWERED, FACE, CELL)
        begins, ends = [_time(question.asked)], [answered]  # times stand at the first line
        rows = zip_longest(begins, asked, ends, said, fillvalue="")
        return [PanelLine(*row, colour) for row in rows]


def _time(time: float) -> str:
    return f"{time:.1f} s" if time < 99.95 else f"{time:.0f} s"


def _height(lines: int) -> int:
    """Height of a part with this many lines [px], even."""
    return lines * LINE + 2 * MARGIN if lines else 0
