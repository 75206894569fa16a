"""Remote policies: the client of `rt-vla serve`, and the protocol."""
