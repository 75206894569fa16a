"""Draws word_suites.jpg, a table of each suite of words: .venv/bin/python docs/images/word_suites.py"""

from pathlib import Path

from PIL import Image, ImageDraw

from rt_vla_ros.evaluation.lettering import BACKGROUND, MUTED, TEXT, font, wrapped
from rt_vla_ros.sim import TabletopSim, make_scene
from rt_vla_ros.sim.suites import WORD_SUITES

SEED = 1
SIDE, GAP, SEEN = 320, 12, 96  # of a picture; between pictures; of what the policy sees, below at the right [px]


def draw() -> Image.Image:
    sim, count = TabletopSim(), len(WORD_SUITES)
    canvas = Image.new("RGB", (count * (SIDE + GAP) + GAP, SIDE + SEEN + 3 * GAP), BACKGROUND)
    pen = ImageDraw.Draw(canvas)
    for number, suite in enumerate(WORD_SUITES):
        scene = make_scene(suite, SEED)
        sim.reset(scene.layout)
        x, y = GAP + number * (SIDE + GAP), GAP
        canvas.paste(Image.fromarray(sim.render_for_display("front", SIDE, SIDE)), (x, y))
        top = y + SIDE + GAP
        canvas.paste(Image.fromarray(sim.render("front")), (x + SIDE - SEEN, top))
        sentence = wrapped(f"“{scene.task.instruction}”", SIDE - SEEN - GAP, font(17), 2)
        lines = [(suite, MUTED, 14), *((words, TEXT, 17) for words in sentence), (scene.target.name, MUTED, 14)]
        for line, (words, colour, size) in enumerate(lines):
            pen.text((x, top + 24 * line), words, colour, font(size))
    sim.close()
    return canvas


if __name__ == "__main__":
    draw().save(Path(__file__).with_suffix(".jpg"), quality=92)
