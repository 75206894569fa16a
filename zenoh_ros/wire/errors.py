"""Errors of the wire protocol."""


class WireError(RuntimeError):
    """The graph cannot be reached or joined, or a closed entity was used."""


class DecodeError(ValueError):
    """A received payload is not a message of the expected type."""
