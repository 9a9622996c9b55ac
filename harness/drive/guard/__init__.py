"""The guard: a detached process that owns every process of a trial and outlives whoever asked for them."""
