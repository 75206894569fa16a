"""All codes of the dataset check: severity, meaning and advice."""

from __future__ import annotations

from typing import NamedTuple

ERROR, WARNING, NOTE = SEVERITIES = ("error", "warning", "note")


class CheckCode(NamedTuple):
    """severity: one of SEVERITIES. meaning, advice: a sentence each."""

    severity: str
    meaning: str
    advice: str


CODES: dict[str, CheckCode] = {
    # What the reader needs
    "info": CheckCode(
        ERROR,
        "meta/info.json is missing, damaged or in an unsupported format.",
        "See the message; nothing else can be checked.",
    ),
    "card": CheckCode(
        ERROR,
        "The action card is missing or contradicts itself.",
        "Correct meta/action_card.json (docs/action_card.md).",
    ),
    "rate": CheckCode(ERROR, "The dataset's fps and the card's control_rate differ.", "Correct the one that is wrong."),
    "column": CheckCode(
        ERROR, "A numeric column is missing, or contradicts the card.", "Correct the card, or convert the column."
    ),
    "joint-positions": CheckCode(
        ERROR,
        "The actions are joint positions.",
        "Convert them to displacements of the tool, or use the role 'unused'.",
    ),
    "camera-column": CheckCode(
        ERROR,
        "The column of one of the card's cameras has no RGB images.",
        "Correct the column in the card.",
    ),
    "camera-depth": CheckCode(ERROR, "A camera of the card is depth or grayscale.", "Use an RGB camera in the card."),
    "episode-table": CheckCode(
        ERROR, "meta/episodes is unreadable or lacks episodes.", "Regenerate it, or download the dataset again."
    ),
    "episode-rows": CheckCode(
        ERROR,
        "meta/episodes assigns rows to the wrong episodes.",
        "Recompute dataset_from_index and dataset_to_index from the lengths.",
    ),
    "video-stretch": CheckCode(
        ERROR,
        "An episode's video segment has the wrong length, or overlaps another's.",
        "Recompute from_timestamp and to_timestamp in meta/episodes.",
    ),
    "steps": CheckCode(
        ERROR,
        "Data tables are missing or damaged, or their counts and timestamps contradict meta/episodes.",
        "Convert the dataset again.",
    ),
    "tasks": CheckCode(
        ERROR,
        "The instruction of a time step is undefined.",
        "Regenerate meta/tasks.parquet and task_index.",
    ),
    "commander": CheckCode(
        ERROR,
        "The commander of a time step is invalid.",
        "Correct commander, intervention and leader, or remove these columns.",
    ),
    "splits": CheckCode(
        ERROR,
        "The splits in meta/info.json are invalid, or leave no episode for training.",
        'Set splits to {"train": "0:N"}.',
    ),
    "video-rate": CheckCode(
        ERROR, "A video's frame rate differs from the dataset's fps.", "Re-encode the video at fps."
    ),
    "picture-missing": CheckCode(
        ERROR,
        "A time step has no video frame of its own.",
        "Drop the episode, or re-encode its video with all frames.",
    ),
    "video-unreadable": CheckCode(
        ERROR, "Video frames are missing or cannot be decoded.", "Download or encode the file again."
    ),
    "images-in-tables": CheckCode(
        NOTE, "Images are stored in the tables instead of videos.", "No action needed; videos would take less space."
    ),
    "instruction-changes": CheckCode(
        NOTE, "The instruction changes within episodes.", "No action needed: each part is used as a separate episode."
    ),
    "tasks-column": CheckCode(
        NOTE, "meta/episodes lacks the column tasks.", "No action needed: task_index gives the instructions."
    ),
    # Actions
    "not-finite": CheckCode(
        ERROR, "Actions or states are NaN or infinite.", "Drop these episodes, or fix the recorder."
    ),
    "units": CheckCode(
        ERROR,
        "Actions are outside the card's range and seem to have a different unit.",
        "Convert them to meters and radians per action.",
    ),
    "clipped": CheckCode(
        ERROR, "Many actions are outside the card's range.", "Widen the card's range, or convert the actions."
    ),
    "clipped-some": CheckCode(
        NOTE,
        "Some actions are outside the card's range and are clipped to it.",
        "Widen the range if they matter.",
    ),
    "speed": CheckCode(ERROR, "The actions are faster than any real arm.", "Convert the actions to the card's units."),
    "no-motion": CheckCode(
        ERROR,
        "All actions fall into the zero bin.",
        "If the arm moved, convert the actions, or correct the card's range.",
    ),
    "gripper-values": CheckCode(
        ERROR,
        "Gripper actions match neither gripper_open nor gripper_closed of the card.",
        "Correct gripper_open, gripper_closed and the range.",
    ),
    "terminate-values": CheckCode(
        ERROR, "Nearly all time steps have 'terminate' set.", "Correct the order of the modes in the card."
    ),
    "state-range": CheckCode(
        ERROR, "Many states are outside the card's range.", "Convert the states, or correct the card's `state`."
    ),
    "idle": CheckCode(
        WARNING, "Many time steps are idle: no motion is commanded.", "Cut them, or the policy learns to stand still."
    ),
    "idle-start": CheckCode(
        WARNING,
        "Episodes start with idle time.",
        "Cut it (rt-vla data trim), or the policy learns to wait.",
    ),
    "idle-end": CheckCode(
        WARNING,
        "Episodes end with idle time.",
        "Cut it (rt-vla data trim), or terminate earlier.",
    ),
    # Actions against measured motion
    "motion-axes": CheckCode(
        ERROR,
        "The tool moves along different axes than the actions.",
        "Reorder the dimensions in the card or the data; check the frame.",
    ),
    "motion-sign": CheckCode(
        ERROR, "The tool moves opposite to the actions.", "Change the sign of the dimension; check the frame."
    ),
    "motion-scale": CheckCode(
        ERROR,
        "The tool moves much more or less than the actions.",
        "Convert the actions to displacements per action in meters and radians.",
    ),
    "motion-lag": CheckCode(
        WARNING,
        "The motion precedes the actions, or follows them late.",
        "Check the timestamps of actions and states; shift one of them.",
    ),
    "motion-unrelated": CheckCode(
        WARNING,
        "The motion hardly correlates with the actions.",
        "Check the units, the frame, and whether the actions were executed.",
    ),
    "motion-unseen": CheckCode(
        NOTE,
        "Actions cannot be compared with measured motion.",
        "Record the tip's position (source tip:x, tip:y, tip:z in the card's state).",
    ),
    "gripper-polarity": CheckCode(
        ERROR,
        "The gripper state moves opposite to the gripper command.",
        "Swap gripper_open and gripper_closed, or correct the state.",
    ),
    # Images
    "camera-lag": CheckCode(
        WARNING,
        "Images are earlier or later than their time step.",
        "Check the camera's timestamps and delay; shift the images.",
    ),
    "frozen": CheckCode(
        WARNING,
        "The image is frozen for a while although the arm moves.",
        "Drop the episodes if the camera hung; the arm may also have been out of view.",
    ),
    "repeated": CheckCode(
        WARNING,
        "Many images are repeated although the arm moves.",
        "Record at the camera's rate or below; check for dropped frames.",
    ),
    "blank": CheckCode(WARNING, "Images are blank (a single color).", "Check the camera; drop the episodes."),
    # Episodes
    "episode-short": CheckCode(WARNING, "Episodes are very short.", "Drop them: most are false starts."),
    "episode-outlier": CheckCode(
        NOTE,
        "Episodes are outliers in length, path or initial state.",
        "Inspect them: rt-vla data show DATA --episode N.",
    ),
    "episode-duplicate": CheckCode(
        WARNING,
        "Episodes are duplicates of others.",
        "Drop the copies: duplicates in training and validation hide overfitting.",
    ),
    "success-missing": CheckCode(
        NOTE, "Episodes have no success label.", "Label them, to exclude failures from training."
    ),
    "failures": CheckCode(NOTE, "Episodes are labeled as failed.", "Drop them, unless you want failures."),
    "audit": CheckCode(
        WARNING, "The recorder reported problems in episodes.", "Read its messages; drop the episodes if they matter."
    ),
    # Words
    "instruction-empty": CheckCode(ERROR, "Episodes have no instruction.", "Add an instruction."),
    "instruction-spelling": CheckCode(
        WARNING, "Instructions differ only in case, spaces or punctuation.", "Use one spelling: rt-vla data relabel."
    ),
    "instruction-typo": CheckCode(
        WARNING, "An instruction looks like a typo of another.", "Correct it if it is one: rt-vla data relabel."
    ),
    # Statistics
    "stats-missing": CheckCode(NOTE, "meta/stats.json is missing.", "Not needed here, but by other programs."),
    "stats-old": CheckCode(
        WARNING,
        "meta/stats.json does not match the data.",
        "Recompute it: other programs normalize with it.",
    ),
}
"""By code, in the order of the package's files."""
