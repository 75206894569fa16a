"""Statistical comparison of the success rates of two policies."""
