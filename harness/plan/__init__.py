"""Experiment and target files -> frozen data; every problem of a file listed at once. Pure."""
