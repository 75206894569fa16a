"""A doctor for datasets in the LeRobot format: findings with codes and severities. `checking.py` runs it."""
