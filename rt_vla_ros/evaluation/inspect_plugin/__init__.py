"""This package in inspect-robots (https://docs.inspectrobots.org): our policies, our table and our suites.

Its registry finds them by the entry points in pyproject.toml; nothing else here needs inspect-robots.
"""
