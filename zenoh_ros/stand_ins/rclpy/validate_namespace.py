"""Validation of namespaces."""

from rclpy.validate_names import validate_namespace

__all__ = ["validate_namespace"]
