"""The site as it is built: no warning, no dead end, nothing from elsewhere."""

from __future__ import annotations

import html.parser
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[3]
BUILD_S_MAX = 120.0
LEADING = {("a", "href"), ("form", "action")}
# Attributes by which a browser fetches something without being asked.
LOADING = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src"), ("link", "href")}
# What `<link>` only says about a page and no browser fetches.
SAYING = {"author", "canonical", "index", "next", "prev", "search", "top", "up"}


@dataclass
class Page(html.parser.HTMLParser):
    """What one page is linked to, loads, and can be linked at."""

    text: str
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if "id" in given:
            self.ids.add(given["id"])
        self.links += [given[name] for name in given if (tag, name) in LEADING]
        said = tag == "link" and given.get("rel") in SAYING
        self.loads += [given[name] for name in given if (tag, name) in LOADING and not said]


def is_elsewhere(target: str) -> bool:
    """Whether a browser would ask another host for it."""
    return bool(urlsplit(target).netloc)


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    options = ["-W", "--keep-going", "-q", "-E", "-b", "html", "-d", str(site.with_name("doctrees"))]
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(source), str(site)],
        capture_output=True,
        text=True,
        timeout=BUILD_S_MAX,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site") / "html"
    done = build(ROOT / "docs", folder)
    assert (0, "") == (done.returncode, done.stderr)
    return folder


@pytest.fixture(scope="module")
def pages(site) -> dict[Path, Page]:
    return {path: Page(path.read_text()) for path in sorted(site.rglob("*.html"))}


def test_every_document_is_a_page(site, pages):
    """Each Markdown file of docs/ has its page, but for those of the run directory that lies there."""
    written = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    documents = {path.with_suffix(".html") for path in written if path.parts[0] != "sample"}
    assert len(documents) > 10
    assert set() == documents - {path.relative_to(site) for path in pages}


def test_every_page_is_reached_from_the_index(site, pages):
    """Whoever follows links from the index comes to every page."""
    seen: set[Path] = set()
    ahead = [site / "index.html"]
    while ahead:
        path = ahead.pop()
        if path in seen or path not in pages:
            continue
        seen.add(path)
        own = (urldefrag(link)[0] for link in pages[path].links if not is_elsewhere(link))
        ahead += [(path.parent / unquote(link)).resolve() for link in own if link]
    assert set() == {path.relative_to(site) for path in {*pages} - seen}


def test_every_link_leads_somewhere(site, pages):
    """File and anchor of every internal link exist; no link leaves the site's folder."""
    dead = []
    for path, page in pages.items():
        for link in (link for link in page.links if not is_elsewhere(link) and not link.startswith("mailto:")):
            file, anchor = urldefrag(link)
            there = (path.parent / unquote(file)).resolve() if file else path
            known = pages[there].ids if there in pages else set()
            if not there.is_relative_to(site) or not there.is_file() or (anchor and anchor not in known):
                dead.append(f"{path.relative_to(site)}: {link}")
    assert [] == dead


def test_nothing_is_loaded_from_elsewhere(site, pages):
    """No page, style sheet or script of the site fetches anything from another host, and what it fetches is there."""
    loads = [(path, load) for path, page in pages.items() for load in page.loads]
    assert len(loads) > len(pages)
    assert [] == [f"{path.relative_to(site)}: {load}" for path, load in loads if is_elsewhere(load)]
    files = [(path.parent / unquote(urlsplit(load).path)).resolve() for path, load in loads if load[:5] != "data:"]
    assert [] == [str(file) for file in files if not file.is_file()]
    styles = "\n".join(path.read_text() for path in site.rglob("*.css"))
    assert "{" in styles
    assert [] == re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\s]*", styles)
    scripts = "\n".join(path.read_text() for path in site.rglob("*.js"))
    assert [] == re.findall(r"(?:fetch|import|importScripts|\.src\s*=)\s*\(?\s*[\"'`](?:https?:)?//[^\"'`]*", scripts)


@pytest.mark.parametrize("text", ["[no page](nothing.md)", "[no heading](index.md#nowhere)", "# A page of no toctree"])
def test_a_broken_page_is_seen(tmp_path, text):
    """A link to no page, a link to no heading and a page that no list has fail the build, with the page's name."""
    source = tmp_path / "docs"
    source.mkdir()
    (source / "conf.py").write_text((ROOT / "docs" / "conf.py").read_text())
    (source / "index.md").write_text("# Index\n")
    (source / "odd.md").write_text(f"# Odd\n\n{text}\n")
    if text.startswith("["):
        (source / "index.md").write_text("# Index\n\n```{toctree}\nodd\n```\n")
    done = build(source, tmp_path / "site" / "html")
    assert done.returncode != 0
    assert "odd.md" in done.stderr


def test_what_loads_is_seen():
    """A script and a style sheet of another host are found; a link that a reader may follow is not one of them."""
    page = Page(
        '<link rel="stylesheet" href="https://x.org/a.css"><link rel="next" href="b.html"><script src="//x.org/b.js">'
        '</script><a href="https://x.org/">x</a><img src="c.png">'
    )
    assert ["https://x.org/a.css", "//x.org/b.js", "c.png"] == page.loads
    assert [True, True, False] == [is_elsewhere(load) for load in page.loads]
