"""Loggers without a node, and the levels of all loggers."""

from __future__ import annotations

import os
from pathlib import Path

from rclpy.impl.logging_severity import LoggingSeverity
from rclpy.impl.rcutils_logger import RcutilsLogger
from zenoh_ros.wire.console import console, severity_from_string

_root_logger = RcutilsLogger()


def get_logger(name: str) -> RcutilsLogger:
    """Return the logger with this name.

    Raises:
        ValueError: the name is empty.
    """
    if not name:
        raise ValueError("Logger name must not be empty.")
    return _root_logger.get_child(name)


def initialize() -> None:
    """Does nothing."""


def shutdown() -> None:
    """Reset all levels."""
    console.clear()


def clear_config() -> None:
    """Reset all levels."""
    console.clear()


def set_logger_level(name: str, level: int, detailed_error: bool = False) -> None:
    """Set the level of a logger."""
    console.set_level(name, LoggingSeverity(level))


def get_logger_effective_level(name: str) -> LoggingSeverity:
    """Return the effective level of a logger."""
    return console.effective_level(name)


def get_logger_level(name: str) -> LoggingSeverity:
    """Return the level set for this logger itself."""
    return console.level(name)


def get_logging_severity_from_string(log_severity: str) -> LoggingSeverity:
    """Parse the name of a level.

    Raises:
        ValueError: there is no such level.
    """
    return severity_from_string(log_severity)


def get_logging_directory() -> Path:
    """Return the directory for this user's log files ($ROS_LOG_DIR, $ROS_HOME/log, ~/.ros/log)."""
    if os.environ.get("ROS_LOG_DIR"):
        return Path(os.environ["ROS_LOG_DIR"]).expanduser()
    return Path(os.environ.get("ROS_HOME", "~/.ros")).expanduser() / "log"
