"""Draws data_path.svg, from the camera to the arm: .venv/bin/python docs/images/data_path.py"""

from pathlib import Path

from rt_vla_ros.svg import COLOURS, INK, picture, text

BLUE, ORANGE, GREEN, *_ = COLOURS
BLACK = "#1a202c"
WIDTH, HEIGHT = 800, 540  # [px]
LEFT, RIGHT = 164, 752  # of the boxes of processes [px]
TALL, STAGE, GAP = 100, 60, 16  # a process, a stage of it; between stages [px]
# Process, what it is, color, top edge [px]; its stages: what is done, and where that code is.
PROCESSES = (
    (
        "policy_node",
        "the GPU's machine",
        BLUE,
        16,
        (
            (("newest image", "of each camera"), "runtime/"),
            (("image in the policy's", "size, history, state"), "observations/"),
            (("network: instruction", "and images to tokens"), "language/, policies/"),
            (("card: tokens to", "meters, radians"), "action_space/"),
        ),
    ),
    (
        "smoother_node",
        "the arm's computer",
        ORANGE,
        206,
        (
            (("one publisher,", "one request"), "control/request_gate"),
            (("watchdogs, stops,", "takeover"), "control/controller"),
            (("steps by the", "image's time"), "control/schedule"),
            (("smoothing, limits,", "walls"), "control/motion"),
        ),
    ),
    (
        "the arm's own software",
        "or sim_arm_node",
        GREEN,
        396,
        (
            (("bridge to Servo or", "ros2_control"), "nodes/, arms/"),
            (("inverse", "kinematics"), "Servo, or arms/"),
            (("joint", "controllers"), "ros2_control"),
            (("arm", "and gripper"), "or sim/"),
        ),
    ),
)
DOWN = (  # between two processes: the topics, and how often
    ("action", "ActionChunk: steps in SI units, stamped with the image's time, at the policy's rate"),
    ("delta_twist_cmds, gripper_command", "velocity of the tip, 50 times a second; the gripper where it changes"),
)


def box(x: float, y: float, width: float, height: float, colour: str, opacity: float) -> str:
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="5" fill="{colour}" '
        f'fill-opacity="{opacity:g}" stroke="{colour}"/>'
    )


def arrow(path: str, colour: str = INK, dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="5 3"' if dashed else ""
    return f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.5" marker-end="url(#head)"{dashes}/>'


def stage_width() -> float:
    return (RIGHT - LEFT - 5 * GAP) / 4


def stage_left(number: int) -> float:
    return LEFT + GAP + number * (stage_width() + GAP)


def process(name: str, where: str, colour: str, top: int, stages: tuple[tuple[tuple[str, str], str], ...]) -> list[str]:
    drawn = [box(LEFT, top, RIGHT - LEFT, TALL, colour, 0.06)]
    drawn.append(text(stage_left(1), top + 17, name, "start", colour))
    drawn.append(text(RIGHT - 10, top + 17, where, "end"))
    middle = top + 26 + STAGE / 2
    for number, (words, code) in enumerate(stages):
        x, centre = stage_left(number), stage_left(number) + stage_width() / 2
        drawn.append(
            box(x, top + 26, stage_width(), STAGE, "#ffffff", 1).replace('stroke="#ffffff"', f'stroke="{colour}"')
        )
        drawn += [text(centre, top + 45 + 15 * line, word, colour=BLACK) for line, word in enumerate(words)]
        drawn.append(text(centre, top + 76, code))
        if number:
            drawn.append(arrow(f"M{x - GAP:.1f} {middle}H{x - 3:.1f}"))
    return drawn


def between(top: int, topic: str, about: str) -> list[str]:
    """From the last stage of the process above to the first one of the process below. top: of the process below."""
    last, first, way = stage_left(3) + stage_width() / 2, stage_left(0) + stage_width() / 2, top - 46
    drawn = [arrow(f"M{last:.1f} {top - 190 + 26 + STAGE}V{way}H{first:.1f}V{top + 23}")]
    return [*drawn, text(first + 12, way + 19, topic, "start", BLACK), text(first + 12, way + 35, about, "start")]


def inputs() -> list[str]:
    """What comes from outside: on the left."""
    drawn = []
    for y, name, topics in (
        (20, "camera", ("image",)),
        (76, "user, console", ("instruction",)),
        (236, "human", ("teleop_twist,", "joy, stop")),
    ):
        drawn += [box(8, y, 82, 32, INK, 0.06), text(49, y + 20, name, colour=BLACK)]
        drawn.append(arrow(f"M90 {y + 16}H{LEFT - 3}"))
        drawn += [
            text(94, y + 10 if len(topics) == 1 else y + 32 + 15 * line, one, "start")
            for line, one in enumerate(topics)
        ]
    return drawn


def feedback() -> list[str]:
    """What goes back up, on the right, and what the dashes are."""
    (_, policy), (_, smoother), (_, arm) = [(name, top + TALL / 2) for name, _, _, top, _ in PROCESSES]
    drawn = [
        arrow(f"M{RIGHT} {arm}H786V{policy - 12}H{RIGHT + 3}", GREEN, dashed=True),
        arrow(f"M786 {smoother + 12}H{RIGHT + 3}", GREEN, dashed=True),
        arrow(f"M{RIGHT} {smoother - 12}H770V{policy + 12}H{RIGHT + 3}", ORANGE, dashed=True),
    ]
    for x, colour, words in ((LEFT, GREEN, "/tf; to the policy also joint_states"), (460, ORANGE, "controller_status")):
        drawn += [arrow(f"M{x} 522h34", colour, dashed=True), text(x + 42, 526, words, "start", colour)]
    return drawn


def figure() -> str:
    head = (
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{INK}"/></marker></defs>'
    )
    drawn = [head, *inputs()]
    for one in PROCESSES:
        drawn += process(*one)
    for (topic, about), (_, _, _, top, _) in zip(DOWN, PROCESSES[1:], strict=True):
        drawn += between(top, topic, about)
    return picture(WIDTH, HEIGHT, [*drawn, *feedback()])


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(figure())
