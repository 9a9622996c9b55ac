"""Notes, the smallest service that can be drilled: what a target must bring, and nothing more."""
