"""Checks the TF frames of actions, for both the nodes and the offline rollout."""

from __future__ import annotations

import difflib
from collections.abc import Collection

BASE_LINK = "base_link"
"""REP-105's name for the base of a robot."""
SHOWN = 12
LONGEST_NAME = 255


def refuse_frame(frame_id: str, known: Collection[str]) -> str | None:
    """Why actions in the frame `frame_id` cannot be executed, as a sentence; None if TF knows the frame.

    known: all frames of the arm's TF tree.
    """
    if frame_id in known:
        return None
    if not frame_id:
        return "The action has no frame_id."
    if len(frame_id) > LONGEST_NAME:
        return f"The name of the action's frame has {len(frame_id)} characters, expected at most {LONGEST_NAME}."
    given = f"TF does not know the frame {frame_id!r} of the actions"
    if not known:
        return f"{given}: no transform was received on /tf or /tf_static. Start a robot_state_publisher for the arm."
    close = difflib.get_close_matches(frame_id, known, n=1)
    names = sorted(known)
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return (
        f"{given}; known frames: {shown}.{hint} Set frame_id in the action card, or the policy node's parameter "
        "frame_id, to the arm's own frame, or publish a static transform."
    )
