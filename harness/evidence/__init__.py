"""The run directory: one versioned format, its writers and its reader; Finding and Verdict."""
