"""What can be wrong with somebody's checkpoint."""

from __future__ import annotations


class SourceError(ValueError):
    """The files cannot be read; the message says which and why."""
