"""Errors of the wire protocol."""


class WireError(RuntimeError):
    """The graph cannot be reached or joined, or an entity is used after it was closed."""


class DecodeError(ValueError):
    """A payload from the wire is not a message of the expected type."""
