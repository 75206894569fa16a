"""Keys, certificates and access rules for a graph over TLS, as files that Zenoh reads."""
