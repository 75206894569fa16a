"""Levels of the log."""

from rt_vla_ros.wire.console import Severity as LoggingSeverity

__all__ = ["LoggingSeverity"]
