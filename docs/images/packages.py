"""Draws packages.svg, the packages in the order of their imports: .venv/bin/python docs/images/packages.py"""

from pathlib import Path

from rt_vla_ros.svg import COLOURS, INK, picture, text

BLUE, ORANGE, GREEN, *_ = COLOURS
BLACK = "#1a202c"
# What needs ROS, what loads without PyTorch, and the rest, which may need it.
ROS, LIGHT, REST = ORANGE, GREEN, BLUE
# From top to bottom: each imports from the rows below its own. Name, what it is for, color.
LAYERS = (
    (("cli", "the commands of rt-vla", ROS),),
    (("live", "processes on a private graph", ROS), ("selftest", "checks this GPU", REST)),
    (("benchmarks", "times and memory", REST),),
    (
        ("nodes", "messages and parameters", ROS),
        ("serving", "one server, many robots", REST),
        ("training", "episodes to a checkpoint", REST),
    ),
    (("console", "the page in the browser", LIGHT), ("evaluation", "success rates, reports", REST)),
    (("environments", "worlds to evaluate in", REST),),
    (("runtime", "a policy on a stream of images", REST),),
    (("policies", "RT-1, RT-2, remote; checkpoints", REST),),
    (("sim", "the simulated table", REST), ("recording", "topics to episodes", LIGHT)),
    (
        ("control", "actions to velocities", LIGHT),
        ("arms", "velocities to joints", LIGHT),
        ("language", "sentences to vectors", REST),
        ("data", "episodes on disk", REST),
    ),
    (("observations", "what a policy sees", LIGHT),),
    (("action_space", "what an action means: the card", LIGHT),),
)
WIDTH, LEFT, RIGHT, TOP = 800, 56, 790, 12  # [px]
TALL, GAP = 40, 10  # of a row; between boxes [px]


def box(x: float, y: float, width: float, name: str, purpose: str, colour: str) -> list[str]:
    middle = x + width / 2
    return [
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{TALL}" rx="5" fill="{colour}" fill-opacity="0.08" '
        f'stroke="{colour}"/>',
        text(middle, y + 17, name, colour=BLACK),
        text(middle, y + 32, purpose),
    ]


def legend(y: float) -> list[str]:
    drawn = []
    for x, colour, words in (
        (LEFT, ROS, "needs ROS 2, or zenoh_ros in its place"),
        (330, LIGHT, "loads without PyTorch"),
        (510, REST, "may need PyTorch, MuJoCo ..."),
    ):
        drawn.append(
            f'<rect x="{x}" y="{y - 11}" width="14" height="14" rx="3" fill="{colour}" fill-opacity="0.08" '
            f'stroke="{colour}"/>'
        )
        drawn.append(text(x + 21, y, words, "start"))
    return drawn


def figure() -> str:
    bottom = TOP + len(LAYERS) * (TALL + GAP) - GAP
    drawn = [
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>',
        f'<path d="M34 {TOP}V{bottom}" stroke="{INK}" stroke-width="1.5" marker-end="url(#head)"/>',
        f'<g transform="translate(24 {(TOP + bottom) / 2}) rotate(-90)">{text(0, 0, "imports from")}</g>',
    ]
    for number, layer in enumerate(LAYERS):
        width = (RIGHT - LEFT - GAP * (len(layer) - 1)) / len(layer)
        for place, (name, purpose, colour) in enumerate(layer):
            drawn += box(LEFT + place * (width + GAP), TOP + number * (TALL + GAP), width, name, purpose, colour)
    return picture(WIDTH, bottom + 36, [*drawn, *legend(bottom + 24)])


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(figure())
