"""An action card and a topic map against a robot's graph: every mismatch at once, each with a code.

C1xx cameras, C2xx frames, joints and the gripper, C3xx the card as a whole. An error keeps a policy or a recorder from
working; a warning needs a look.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rt_vla_ros.action_space.card import ActionCard, CameraSpec
from rt_vla_ros.action_space.state import StateDimension
from rt_vla_ros.cli.card.guesses import IMAGES, camera_names, image_topics_in_words, usable_cameras
from rt_vla_ros.cli.card.survey import TWIST_KIND, CameraSeen, Survey, camera_base
from rt_vla_ros.observations.robot_state import TOLERANCE, closedness
from rt_vla_ros.recording.card_file import CONFIRM
from rt_vla_ros.recording.topic_map import COMPRESSED, TopicMap, TopicMapError

ERROR, WARNING = "error", "warning"
SLOW = 0.9  # of the rate that is wanted: as exactly as one is measured within some seconds
SAME_ASPECT = 0.02
SAME_FOV = 0.1


@dataclass(frozen=True)
class Mismatch:
    """code: stable. severity: ERROR or WARNING.

    entry: what to change: "topics: KEY", "card: KEY", "card: cameras NAME", "card: state NAME" or "card: notes TEXT".
    """

    code: str
    severity: str
    sentence: str
    entry: str


def compare(card: ActionCard, topics: TopicMap, survey: Survey) -> list[Mismatch]:
    """All mismatches, errors first within each hundred of codes."""
    found = [*_map(card, topics), *_cameras(card, topics, survey), *_frames(card, topics, survey)]
    found += [*_state(card, topics, survey), *_commands(card, topics, survey)]
    found += [*_whole(card, found), *_notes(card)]
    return sorted(found, key=lambda one: (one.code[:2], one.severity != ERROR, one.code))


def guess_cameras(card: ActionCard, survey: Survey) -> tuple[str, ...]:
    """NAME=TOPIC for the cameras of a card whose names are seen in the topics' names, or that are the only one."""
    there = camera_names(usable_cameras(survey))
    found = [f"{camera.name}={there[camera.name]}" for camera in card.cameras if camera.name in there]
    if not found and len(card.cameras) == len(there) == 1:
        found = [f"{card.cameras[0].name}={next(iter(there.values()))}"]
    return tuple(found)


def _map(card: ActionCard, topics: TopicMap) -> Iterator[Mismatch]:
    try:
        topics.check(card)
    except TopicMapError as error:
        yield Mismatch("C001", ERROR, f"The topic map does not fit the card. {error}", "topics")


def _cameras(card: ActionCard, topics: TopicMap, survey: Survey) -> Iterator[Mismatch]:
    there = topics.camera_topics()
    for camera in card.cameras:
        topic = there.get(camera.name)
        full = survey.find(topic) if topic is not None else None
        seen = survey.cameras.get(full or "")
        if topic is None or full is None or seen is None:
            yield Mismatch("C101", ERROR, _missing(camera, topic, survey), "topics: cameras")
            continue
        if seen.problem:
            code = "C104" if seen.encoding else "C102"
            yield Mismatch(code, ERROR, f"The camera {camera.name!r} ({full}): {seen.problem}", "topics: cameras")
            continue
        yield from _picture(card, camera, seen, f"The camera {camera.name!r} ({full})", f"card: cameras {camera.name}")


def _missing(camera: CameraSpec, topic: str | None, survey: Survey) -> str:
    known = f"Image topics: {image_topics_in_words(survey)}."
    if topic is None:
        return f"The camera {camera.name!r} has no topic in the map. {known}"
    raw = camera_base(topic)
    other = survey.find(raw if topic != raw else f"{raw}{COMPRESSED}")
    if other in survey.cameras:
        return f"No publisher on {topic!r} (camera {camera.name!r}), but {other} exists: use that. {known}"
    return f"No publisher on {topic!r} (camera {camera.name!r}). {known}"


def _picture(card: ActionCard, camera: CameraSpec, seen: CameraSeen, what: str, key: str) -> Iterator[Mismatch]:
    size, wanted = f"{seen.width}x{seen.height}", f"{camera.width}x{camera.height}"
    same_aspect = abs(seen.width * camera.height / (seen.height * camera.width) - 1) <= SAME_ASPECT
    if camera.crop == "none" and size != wanted:
        sentence = f'{what} sends {size} pixels, and the card takes {wanted} and allows no other size (crop "none").'
        yield Mismatch("C103", ERROR, sentence, key)
    elif camera.crop in ("center", "stretch") and not same_aspect:
        how = "its edges are cropped" if camera.crop == "center" else "it is stretched"
        yield Mismatch("C103", WARNING, f"{what} sends {size} pixels, the card takes {wanted}: {how}.", key)
    if camera.crop != "none" and (seen.width < camera.width or seen.height < camera.height):
        sentence = f"{what} sends {size} pixels, fewer than the card takes ({wanted}): it is upscaled."
        yield Mismatch("C103", WARNING, sentence, key)
    if seen.rate < SLOW * card.control_rate:
        sentence = (
            f"{what} sends {seen.rate:.3g} images a second, and the card has {card.control_rate:g} actions a second: "
            "frames would repeat."
        )
        yield Mismatch("C105", ERROR, sentence, "card: control_rate")
    elif seen.rate < SLOW * IMAGES * card.control_rate:
        sentence = (
            f"{what} sends {seen.rate:.3g} images a second, and the card has {card.control_rate:g} actions a second: "
            f"jitter will make frames repeat the image before. {IMAGES:g} images for each action are enough: at most "
            f"{max(1, math.floor(seen.rate / IMAGES))} actions a second, or a faster camera."
        )
        yield Mismatch("C105", WARNING, sentence, "card: control_rate")
    if camera.vertical_fov and seen.vertical_fov and same_aspect:
        share = seen.vertical_fov / camera.vertical_fov
        if abs(share - 1) > SAME_FOV:
            sentence = (
                f"{what} has a vertical field of view of {seen.vertical_fov:.3g} rad in its camera_info, the card has "
                f"{camera.vertical_fov:.3g} rad: a different lens or camera."
            )
            yield Mismatch("C106", WARNING, sentence, key)
    if abs(seen.age) > 0.5:
        when = f"are {seen.age:.3g} s old on arrival" if seen.age > 0 else f"are {-seen.age:.3g} s in the future"
        sentence = f"{what}: its images {when}: unsynchronized clocks, or no timestamps. Synchronize the hosts' clocks."
        yield Mismatch("C107", ERROR, sentence, "topics: max_image_age")


def _frames(card: ActionCard, topics: TopicMap, survey: Survey) -> Iterator[Mismatch]:
    frames = {*survey.parents, *survey.parents.values()}
    known = ", ".join(sorted(frames)[:12]) or "none at all"
    base, tip = topics.base_of(card), topics.tip_frame
    named = {"frame_id": topics.axes_of(card), "base_frame": base, "tip_frame": tip}
    unknown = {key: frame for key, frame in named.items() if frame and frame not in frames}
    for key, frame in unknown.items():
        if frame in [unknown[other] for other in unknown if other < key]:
            continue  # told already, by another name
        of_card = key != "tip_frame" and not getattr(topics, key)
        entry = "card: frame_id" if of_card else f"topics: {key}"
        yield Mismatch("C201", ERROR, f"TF does not know the frame {frame!r} ({key}); its frames are: {known}.", entry)
    if not unknown and base and tip:
        if not survey.transforms.connected(base, tip):
            sentence = f"TF has no transform from {base!r} to {tip!r}: they are in separate trees."
            yield Mismatch("C202", ERROR, sentence, "topics: base_frame")
        elif not {tip, *survey.above(tip)} & survey.moving:
            sentence = f"The tip {tip!r} does not move relative to {base!r}: all transforms are static."
            yield Mismatch("C203", ERROR, sentence, "topics: tip_frame")
    for frame in {tip, *survey.above(tip)} & survey.moving:
        age = survey.ages.get(frame, 0.0)
        if abs(age) > topics.max_state_age + 0.25:
            when = f"{age:.3g} s old" if age > 0 else f"{-age:.3g} s in the future"
            sentence = f"The last transform of {frame!r} is {when}: its publisher has stopped, or uses another clock."
            yield Mismatch("C204", ERROR, sentence, "topics: tip_frame")


def _state(card: ActionCard, topics: TopicMap, survey: Survey) -> Iterator[Mismatch]:
    needed = [one for one in card.state if one.kind in ("joint", "gripper")]
    full = survey.find(topics.joint_states)
    seen = survey.joints.get(full or "")
    if (needed or topics.gripper_joint) and (seen is None or not seen.positions):
        others = ", ".join(sorted(survey.joints)) or "none"
        sentence = f"No joint positions on {topics.joint_states!r}; joint state topics: {others}."
        yield Mismatch("C211", ERROR, sentence, "topics: joint_states")
    elif seen is not None:
        there = ", ".join(sorted(seen.positions)[:20])
        missing = [f"{one} needs the joint {_joint(one, topics)!r}" for one in needed]
        absent = [_joint(one, topics) not in seen.positions for one in needed]
        for text, gone, one in zip(missing, absent, needed, strict=True):
            if gone:
                entry = "topics: gripper_joint" if one.kind == "gripper" else f"card: state {one.name}"
                yield Mismatch("C212", ERROR, f"{text}, which {full} does not have; it has {there}.", entry)
        if seen.rate < SLOW * card.control_rate:
            sentence = f"{full} has {seen.rate:.3g} messages per second; the card has {card.control_rate:g} actions."
            yield Mismatch("C214", WARNING, sentence, "card: control_rate")
    if any(one.kind == "topic" for one in card.state) and survey.find(topics.state_topic) not in survey.published:
        sentence = f"The card's state uses the topic {topics.state_topic!r}, which has no publisher."
        yield Mismatch("C215", ERROR, sentence, "topics: state_topic")
    for one in card.state:
        value = _value(one, card, topics, survey)
        spare = TOLERANCE * (one.high - one.low)
        if value is not None and not one.low - spare <= value <= one.high + spare:
            sentence = (
                f"{one} is {value:.3g} {one.unit} now, far from the card's range, {one.low:g} to {one.high:g}: another "
                "unit, another arm, or a pose outside the training data."
            )
            yield Mismatch("C213", ERROR, sentence, f"card: state {one.name}")
        elif value is not None and not one.low <= value <= one.high:
            sentence = f"{one} is {value:.3g} {one.unit} now, outside the card's range, {one.low:g} to {one.high:g}."
            yield Mismatch("C213", WARNING, sentence, f"card: state {one.name}")


def _joint(one: StateDimension, topics: TopicMap) -> str:
    return topics.gripper_joint if one.kind == "gripper" else one.reading.partition(":")[2]


def _value(one: StateDimension, card: ActionCard, topics: TopicMap, survey: Survey) -> float | None:
    """Current value of a dimension of the state; None if unknown."""
    if one.kind in ("joint", "gripper"):
        seen = survey.joints.get(survey.find(topics.joint_states) or "")
        at = None if seen is None else seen.positions.get(_joint(one, topics))
        if at is None:
            return None
        ends = topics.gripper_joint_open, topics.gripper_joint_closed
        return closedness(at, *ends) if one.kind == "gripper" else one.sign * at
    if one.kind == "tip":
        placed = survey.transforms.at(topics.base_of(card), topics.tip_frame, 0)
        return None if isinstance(placed, str) else one.sign * float(np.asarray(placed.position)[one.place])
    return None


def _commands(card: ActionCard, topics: TopicMap, survey: Survey) -> Iterator[Mismatch]:
    wanted = [("twist_topic", topics.twist_topic, TWIST_KIND, topics.action_from == "commands")]
    if topics.gripper_topic and card.index("gripper") is not None:
        wanted.append(("gripper_topic", topics.gripper_topic, "std_msgs/msg/Float64", not topics.gripper_joint))
    wanted.append(("instruction_topic", topics.instruction_topic, "std_msgs/msg/String", False))
    for key, topic, kind, must in wanted:
        full = survey.find(topic)
        if full is not None and survey.topics[full] != kind:
            sentence = f"{full} has the type {survey.topics[full]}, expected {kind}."
            yield Mismatch("C221", ERROR if must else WARNING, sentence, f"topics: {key}")
        elif must and full not in survey.published:
            sentence = f"No publisher on {topic!r} ({kind}) at present; actions are derived from it."
            yield Mismatch("C222", WARNING, sentence, f"topics: {key}")


def _whole(card: ActionCard, found: list[Mismatch]) -> Iterator[Mismatch]:
    """An error if so much of the card is missing that it must be another robot's."""
    codes = [one.code for one in found if one.severity == ERROR]
    joints = sum(one.kind == "joint" for one in card.state)
    no_joint = joints > 0 and codes.count("C212") >= joints
    no_frame = any(one.code == "C201" and one.entry == "card: frame_id" for one in found)
    no_camera = codes.count("C101") == len(card.cameras)
    if sum((no_joint, no_frame, no_camera)) >= 2:
        lacks = [text for gone, text in ((no_joint, "joints"), (no_frame, "frame"), (no_camera, "cameras")) if gone]
        sentence = (
            f"The graph has none of the {' and '.join(lacks)} of {card.name!r}: is the card or "
            "the topic map of another robot?"
        )
        yield Mismatch("C301", ERROR, sentence, "card: name")


def unconfirmed(text: str) -> Iterator[Mismatch]:
    """The unconfirmed guesses in a topic map's file."""
    for line in text.splitlines():
        if CONFIRM in line:
            note = line.partition(CONFIRM)[2].strip()
            yield Mismatch("C302", WARNING, f"Unconfirmed guess: {note}", f"topics: {CONFIRM}{note}")


def _notes(card: ActionCard) -> Iterator[Mismatch]:
    for note in card.notes:
        if note.startswith(CONFIRM):
            sentence = f"Unconfirmed guess: {note.removeprefix(CONFIRM)}"
            yield Mismatch("C302", WARNING, sentence, f"card: notes {note}")
