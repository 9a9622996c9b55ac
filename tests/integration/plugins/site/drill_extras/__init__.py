"""A package of somebody else's: one adapter of each kind, found by its entry points."""
