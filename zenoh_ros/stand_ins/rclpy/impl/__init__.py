"""What rclpy keeps to itself, as far as others import it."""
