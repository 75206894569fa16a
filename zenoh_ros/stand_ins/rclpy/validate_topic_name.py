"""Validation of topic names."""

from rclpy.validate_names import validate_topic_name

__all__ = ["validate_topic_name"]
