"""One file per schema revision, named r<number>_<what>; each only expands, so there is no way down."""
