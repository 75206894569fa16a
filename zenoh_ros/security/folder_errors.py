"""What a user of a folder of keys is told."""


class KeyFolderError(Exception):
    """A sentence: what was given, what was expected, what to do."""
