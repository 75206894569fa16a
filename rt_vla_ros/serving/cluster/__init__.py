"""Replicas of a served policy in other processes and on other machines (`rt-vla serve --ray`)."""
