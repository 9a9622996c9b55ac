"""Chromium over rendered reports. `CHROMIUM` names another executable; without one the tests are skipped."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from harness.report import render

TRIALS = Path(__file__).parents[1] / "unit" / "report" / "trials.py"
# Nothing but the page may open a connection: neither its own services nor updates of the browser.
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def load_trials():
    """The report's literal trials; tests are no package, so the module is loaded by its path."""
    name = "report_trials"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, TRIALS)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def trials():
    """The module of literal trials."""
    return load_trials()


@pytest.fixture(scope="session")
def browser():
    """One Chromium for all tests."""
    executable = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
    assert Path(executable).exists(), f"no {executable}: install Debian's chromium, or name one in CHROMIUM"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def reports(tmp_path_factory, trials):
    """Every literal trial's page on disk: name -> path."""
    folder = tmp_path_factory.mktemp("reports")
    paths = {}
    for name, make in trials.ALL.items():
        paths[name] = folder / f"{name}.html"
        paths[name].write_bytes(render(*make())["report.html"])
    return paths


class Opened:
    """A page with everything it said and asked for."""

    def __init__(self, page):
        self.page = page
        self.said = []
        self.asked = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))


@pytest.fixture
def open_report(browser, reports):
    """Open a trial's page at a width, in light or dark, with or without script; closed afterwards."""
    contexts = []

    def open_(trial, width=1400, scheme="light", script=True):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=script
        )
        contexts.append(context)
        context.set_default_timeout(5_000)
        opened = Opened(context.new_page())
        opened.url = f"file://{reports[trial]}"
        opened.page.goto(opened.url)
        return opened

    yield open_
    for context in contexts:
        context.close()
