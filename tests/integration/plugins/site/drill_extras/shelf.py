"""A kit that builds on another package's."""

from notes.kit import NotesKit


class ShelfKit(NotesKit):
    """Notes, under another name."""

    name = "shelf"
