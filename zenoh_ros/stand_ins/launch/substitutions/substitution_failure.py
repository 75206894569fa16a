"""The error of a failed substitution."""


class SubstitutionFailure(RuntimeError):
    """A substitution failed; the message says which and why."""
