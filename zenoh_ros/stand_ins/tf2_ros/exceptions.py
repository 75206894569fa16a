"""Errors of transform lookups."""


class TransformException(Exception):
    """Base class of transform errors."""


class ConnectivityException(TransformException):
    """Both frames exist but are not connected."""


class LookupException(TransformException):
    """A frame does not exist."""


class ExtrapolationException(TransformException):
    """There is no data for that time."""


class InvalidArgumentException(TransformException):
    """An empty frame name or an invalid transform."""


class TimeoutException(TransformException):
    """The timeout was reached."""
