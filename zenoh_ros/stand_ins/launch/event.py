"""The base of all events."""


class Event:
    """Something that happened."""

    name = "launch.Event"
