"""A stand-in for the service under test: the same commands, the same metrics, no domain."""
