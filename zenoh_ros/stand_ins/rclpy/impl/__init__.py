"""Internal modules of rclpy that other packages import."""
