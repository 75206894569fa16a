"""Errors of a key folder."""


class KeyFolderError(Exception):
    """A sentence: what was given, what was expected, what to do."""
