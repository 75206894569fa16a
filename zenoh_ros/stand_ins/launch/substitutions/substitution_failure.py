"""The error of a substitution without a value."""


class SubstitutionFailure(RuntimeError):
    """Says which substitution failed and why."""
