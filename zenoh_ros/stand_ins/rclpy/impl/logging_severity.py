"""Log levels."""

from zenoh_ros.wire.console import Severity as LoggingSeverity

__all__ = ["LoggingSeverity"]
