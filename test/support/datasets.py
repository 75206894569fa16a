"""Small datasets, random but always the same."""

from rt_vla_ros.selftest.random_episodes import CARD, SIZE, make_episode, write_dataset

__all__ = ["CARD", "SIZE", "make_episode", "write_dataset"]
