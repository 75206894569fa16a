"""A substitution that has no text."""


class SubstitutionFailure(RuntimeError):
    """Says which substitution failed and why."""
