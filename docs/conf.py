"""The site of these pages: `sphinx-build -W --keep-going -b html docs build/site`, offline, in seconds.

The pages are Markdown, readable where they lie; Sphinx adds navigation and search, and refuses a link to a page or a
heading that is not there. What the top of the repository has for readers (TOP) is a page, too: the file of that name
here is a stub. A link to any other file outside of this folder gives that file, as it stood when the site was built.

Not covered: formulas as typeset mathematics, since what draws them in a browser is loaded from elsewhere.
"""

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

import harness

HERE = Path(__file__).parent
# page here -> file at the top of the repository; README.md has no page of its own, index.md says the same
TOP = {"contributing": "CONTRIBUTING.md", "security": "SECURITY.md", "changelog": "CHANGELOG.md"}
PAGE_OF = {(HERE.parent / name).resolve(): page for page, name in {**TOP, "index": "README.md"}.items()}
LINK = re.compile(r"(?<=\]\()([^)\s:#]+)(?=[)#])")

project = "harness"
author = "The harness authors"
copyright = "2026, the harness authors. Licence: Apache-2.0"
version = release = harness.__version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["sample"]  # a run directory, no pages
myst_heading_anchors = 3
highlight_language = "text"  # excerpts of terminals and files; a fence that names its language has colours

html_theme = "furo"
html_title = f"harness {release}"
html_use_index = False
html_copy_source = False
html_show_sourcelink = False


def _read(app: Sphinx, docname: str, source: list[str]) -> None:
    """The text of a page, its links leading to pages wherever there is one."""
    here = (HERE / docname).parent
    folder = here
    if docname in TOP:
        path = HERE.parent / TOP[docname]
        app.env.note_dependency(str(path))
        source[0], folder = path.read_text(), HERE.parent

    def led(match: re.Match[str]) -> str:
        there = (folder / match[1]).resolve()
        page = PAGE_OF.get(there)
        return os.path.relpath(HERE / f"{page}.md" if page else there, here)

    source[0] = LINK.sub(led, source[0])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _read)
