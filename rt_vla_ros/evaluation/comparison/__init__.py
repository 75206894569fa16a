"""Whether one of two policies succeeds more often, and how sure that is."""
