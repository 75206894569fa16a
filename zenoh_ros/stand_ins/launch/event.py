"""Base class of all events."""


class Event:
    """An event of the launch."""

    name = "launch.Event"
