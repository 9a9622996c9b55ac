"""Alembic's script folder: `env.py`, and one plain-SQL revision per file under `versions/`."""
