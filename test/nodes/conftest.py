"""Tests of nodes import ROS at their top, real or stand-in."""

from rt_vla_ros import ros

ros.ensure()
