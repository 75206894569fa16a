"""Why a transform cannot be told."""


class TransformException(Exception):
    """Base of them all."""


class ConnectivityException(TransformException):
    """Both frames are there, but nothing connects them."""


class LookupException(TransformException):
    """A frame does not exist."""


class ExtrapolationException(TransformException):
    """Nothing is known of that time."""


class InvalidArgumentException(TransformException):
    """A frame without a name, or numbers that are no transform."""


class TimeoutException(TransformException):
    """It was waited for in vain."""
