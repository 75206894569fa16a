"""Why a node does not start."""

from __future__ import annotations


class StartError(Exception):
    """The node cannot start; the message is a sentence for the user."""
