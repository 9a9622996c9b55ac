"""Doing it: every effect of a trial on the world."""
