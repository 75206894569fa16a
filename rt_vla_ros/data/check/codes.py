"""Every code that the check of a dataset may give: how bad it is, what it means and what to do."""

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
        "meta/info.json is missing, damaged or of another format.",
        "See the sentence; nothing else can be checked.",
    ),
    "card": CheckCode(
        ERROR,
        "The action card is missing or contradicts itself.",
        "Put meta/action_card.json right (docs/action_card.md).",
    ),
    "rate": CheckCode(
        ERROR, "Frames a second and the card's actions a second differ.", "Correct the one that is wrong."
    ),
    "column": CheckCode(
        ERROR, "A column of numbers is missing, or not what the card says.", "Correct the card, or convert the column."
    ),
    "joint-positions": CheckCode(
        ERROR,
        "The actions are positions of joints.",
        "Convert them to displacements of the tool, or use the role 'unused'.",
    ),
    "camera-column": CheckCode(
        ERROR,
        "There are no RGB images in the column of one of the card's cameras.",
        "Name the right column on the card.",
    ),
    "camera-depth": CheckCode(ERROR, "A camera of the card is a depth map or grey.", "Name an RGB camera on the card."),
    "episode-table": CheckCode(
        ERROR, "meta/episodes cannot be read, or lacks episodes.", "Write it again, or fetch the dataset again."
    ),
    "episode-rows": CheckCode(
        ERROR,
        "meta/episodes gives episodes the rows of others.",
        "Write dataset_from_index and dataset_to_index again from the lengths.",
    ),
    "video-stretch": CheckCode(
        ERROR,
        "An episode's stretch of video is not as long as the episode, or is another's too.",
        "Write from_timestamp and to_timestamp of meta/episodes again.",
    ),
    "steps": CheckCode(
        ERROR,
        "Tables of time steps are missing or damaged, or their counts and times contradict meta/episodes.",
        "Convert the dataset again.",
    ),
    "tasks": CheckCode(
        ERROR,
        "It is not known which sentence belongs to a time step.",
        "Write meta/tasks.parquet and task_index again.",
    ),
    "commander": CheckCode(
        ERROR,
        "It is not understood who commanded a time step.",
        "Write commander, intervention and leader again, or leave these columns out.",
    ),
    "splits": CheckCode(
        ERROR,
        "The splits in meta/info.json are not understood, or leave no episode for training.",
        'Write splits as {"train": "0:N"}.',
    ),
    "video-rate": CheckCode(ERROR, "A video has another rate than its time steps.", "Encode the video again at fps."),
    "picture-missing": CheckCode(
        ERROR,
        "A time step has no picture of its own.",
        "Leave the episode out, or encode its video again with every picture.",
    ),
    "video-unreadable": CheckCode(
        ERROR, "Pictures are missing or cannot be decoded.", "Fetch or encode the file again."
    ),
    "images-in-tables": CheckCode(
        NOTE, "Images are in the tables instead of videos.", "Nothing: they are read. Videos take less space."
    ),
    "instruction-changes": CheckCode(
        NOTE, "The instruction changes within episodes.", "Nothing: each part is one episode of its own."
    ),
    "tasks-column": CheckCode(
        NOTE, "meta/episodes lacks the column tasks.", "Nothing: the sentences are those of task_index."
    ),
    # Actions
    "not-finite": CheckCode(
        ERROR, "Actions or states are NaN or infinite.", "Leave these episodes out, or repair the recorder."
    ),
    "units": CheckCode(
        ERROR,
        "Actions lie outside the card's range and look like another unit.",
        "Convert them to metres and radians per action.",
    ),
    "clipped": CheckCode(
        ERROR, "Many actions lie outside the card's range.", "Widen the card's range, or convert the actions."
    ),
    "clipped-some": CheckCode(
        NOTE,
        "Some actions lie outside the card's range, and are learned as its limit.",
        "Widen the range if they matter.",
    ),
    "speed": CheckCode(ERROR, "The actions are faster than any arm.", "Convert the actions to the card's units."),
    "no-motion": CheckCode(
        ERROR,
        "The actions never leave the bin of 0.",
        "If the arm moved, convert the actions, or correct the card's range.",
    ),
    "gripper-values": CheckCode(
        ERROR,
        "The gripper is told numbers that the card does not know as open or closed.",
        "Correct gripper_open, gripper_closed and the range.",
    ),
    "terminate-values": CheckCode(
        ERROR, "Nearly all time steps say 'terminate'.", "Correct the order of the modes on the card."
    ),
    "state-range": CheckCode(
        ERROR, "Many states lie outside the card's range.", "Convert the states, or correct the card's `state`."
    ),
    "idle": CheckCode(WARNING, "In many time steps nothing is commanded.", "Cut them: a policy learns to stand still."),
    "idle-start": CheckCode(
        WARNING,
        "Episodes begin with a stretch in which nothing is commanded.",
        "Cut the stretch (rt-vla data trim): a policy learns to wait.",
    ),
    "idle-end": CheckCode(
        WARNING,
        "Episodes end with a stretch in which nothing is commanded.",
        "Cut the stretch (rt-vla data trim), or terminate earlier.",
    ),
    # Actions against measured motion
    "motion-axes": CheckCode(
        ERROR,
        "The tool moved along other axes than the actions say.",
        "Reorder the dimensions of the card or of the data; look at the frame.",
    ),
    "motion-sign": CheckCode(
        ERROR, "The tool moved against what the actions say.", "Change the sign of the dimension; look at the frame."
    ),
    "motion-scale": CheckCode(
        ERROR,
        "The tool moved much more or less than the actions say.",
        "Convert the actions to displacements per action in metres and radians.",
    ),
    "motion-lag": CheckCode(
        WARNING,
        "The motion comes before the actions, or long after them.",
        "Look at the stamps of actions and states; shift one of them.",
    ),
    "motion-unrelated": CheckCode(
        WARNING, "The motion has little to do with the actions.", "Look at the units, the frame and who acted."
    ),
    "motion-unseen": CheckCode(
        NOTE,
        "Actions cannot be compared with motion.",
        "Record the tip's position (source tip:x, tip:y, tip:z in the card's state).",
    ),
    "gripper-polarity": CheckCode(
        ERROR,
        "The gripper opens when it is told to close.",
        "Exchange gripper_open and gripper_closed, or correct the state.",
    ),
    # Images
    "camera-lag": CheckCode(
        WARNING,
        "Images show what was earlier or later than their time step.",
        "Look at the camera's stamps and delay; shift the images.",
    ),
    "frozen": CheckCode(
        WARNING,
        "The image stands still for a while although the arm moves.",
        "Leave the episodes out if the camera hung; it may also be that the arm was out of its sight.",
    ),
    "repeated": CheckCode(
        WARNING,
        "Many images are repeated although the arm moves.",
        "Record at the camera's rate or below; look for drops.",
    ),
    "blank": CheckCode(WARNING, "Images of one colour.", "Look at the camera; leave the episodes out."),
    # Episodes
    "episode-short": CheckCode(WARNING, "Episodes are very short.", "Leave them out: most are false starts."),
    "episode-outlier": CheckCode(
        NOTE,
        "Episodes are far from the rest in length, path or first state.",
        "Look at them: rt-vla data show DATA --episode N.",
    ),
    "episode-duplicate": CheckCode(
        WARNING, "Episodes are the same as others.", "Drop one of each: copies in training and test flatter the policy."
    ),
    "success-missing": CheckCode(
        NOTE, "It is not recorded whether episodes succeeded.", "Label them, to leave failures out of training."
    ),
    "failures": CheckCode(NOTE, "Episodes did not succeed.", "Leave them out, unless failures are wanted."),
    "audit": CheckCode(
        WARNING, "The recorder marked episodes.", "Read its sentences; leave the episodes out if they matter."
    ),
    # Words
    "instruction-empty": CheckCode(ERROR, "Episodes have no instruction.", "Give them a sentence."),
    "instruction-spelling": CheckCode(
        WARNING, "Instructions differ only in case, spaces or punctuation.", "Use one spelling: rt-vla data relabel."
    ),
    "instruction-typo": CheckCode(
        WARNING, "An instruction looks like a typing error of another.", "Correct it if it is one: rt-vla data relabel."
    ),
    # Statistics
    "stats-missing": CheckCode(NOTE, "meta/stats.json is missing.", "Other programs want it; this one does not."),
    "stats-old": CheckCode(
        WARNING,
        "meta/stats.json does not describe the data.",
        "Write it again; programs that normalise by it learn other numbers.",
    ),
}
"""By code, in the order of the package's files."""
