"""Levels of the log."""

from zenoh_ros.wire.console import Severity as LoggingSeverity

__all__ = ["LoggingSeverity"]
