"""A policy that another process decides for: the client of `rt-vla serve`, and what both say to each other."""
