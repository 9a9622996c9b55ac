"""The page over many trials, in Chromium: it asks for nothing, says nothing, and leads to a report."""

import importlib.util
from pathlib import Path

import pytest

from harness.report.words import SYMBOLS
from harness.study import history, index

pytestmark = pytest.mark.browser
STUDY = Path(__file__).parents[1] / "unit" / "study" / "conftest.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A reports folder with eight trials, the last of them red, and their index."""
    spec = importlib.util.spec_from_file_location("study_conftest", STUDY)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    reports = module.Reports(tmp_path_factory.mktemp("reports"))
    names = [reports.add(kind) for kind in (*["passing"] * 7, "lost")]
    (reports.path / names[-1] / "report.html").write_text("<title>the report of the last</title>")
    found = history.read(reports.path)
    (reports.path / "index.html").write_text(index.page(found, "reports", {}))
    return reports.path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_page_is_quiet_and_fits(browser, folder, width, scheme):
    """No message, no request but its own, and no line wider than the window."""
    with browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme) as context:
        page = context.new_page()
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"file://{folder / 'index.html'}")
        assert ([], [page.url]) == (said, asked)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert 8 == page.locator("table.trials tbody tr").count()


def test_a_red_trial_leads_to_its_report(browser, folder):
    """The newest row says FAIL by word and sign, and its date opens its report."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"file://{folder / 'index.html'}")
        row = page.locator("table.trials tbody tr").first
        assert f"{SYMBOLS['FAIL']} FAIL" in row.inner_text()
        row.locator("a").first.click()
        assert "the report of the last" == page.title()
