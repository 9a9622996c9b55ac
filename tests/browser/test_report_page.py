"""The page in a real browser: quiet, alone, inside its width, legible, and its cursor."""

import math
import re
from itertools import pairwise

import numpy as np
import pytest

from harness.report import chart, words

pytestmark = pytest.mark.browser

NAMES = ("rolled_back", "lost_writes", "interrupted", "promoted", "empty")
WIDTHS = (390, 1400)
CONTRAST_MIN = 4.5  # WCAG 2 AA for text

# Text and the background it stands on, as [r, g, b], of every element with text of its own.
TEXT_COLOURS = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const found = [];
  for (const element of document.querySelectorAll("main *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("svg") || !element.getClientRects().length) continue;
    let behind = element, colour = [0, 0, 0, 0];
    while (behind && (colour.length === 4 && colour[3] === 0)) {
      colour = parse(getComputedStyle(behind).backgroundColor);
      behind = behind.parentElement;
    }
    found.push([parse(getComputedStyle(element).color), colour, element.textContent.trim().slice(0, 40)]);
  }
  return found;
}"""


def luminance(colour):
    """Relative luminance of sRGB after WCAG 2."""
    parts = [part / 255 for part in colour[:3]]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """Contrast ratio of two colours after WCAG 2."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("trial", NAMES)
def test_page_is_quiet_alone_and_inside_its_width(open_report, trial, scheme, width):
    """No console message, no request but the file's own, no sideways scrolling, everything unfolded too."""
    opened = open_report(trial, width, scheme)
    opened.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert [] == opened.said
    assert [opened.url] == opened.asked
    assert width == opened.page.evaluate("document.documentElement.scrollWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("trial", ["rolled_back", "lost_writes", "interrupted"])
def test_text_stands_out(open_report, trial, scheme):
    """Every text has a contrast of at least 4.5 to what it stands on."""
    page = open_report(trial, scheme=scheme).page
    found = page.evaluate(TEXT_COLOURS)
    assert 100 < len(found)
    assert [] == [text for ink, paper, text in found if contrast(ink, paper) < CONTRAST_MIN]


def test_dark_is_dark(open_report):
    """The scheme of the reader decides."""
    papers = [
        open_report("rolled_back", scheme=scheme).page.evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    ]
    assert ["rgb(255, 255, 255)", "rgb(20, 23, 27)"] == papers


def place(svg, at_s):
    """Where an instant of the whole trial stands on the screen, at the height of the second panel."""
    svg.evaluate("(each) => each.scrollIntoView({block: 'start'})")
    box = svg.bounding_box()
    scale = {name: float(svg.get_attribute(f"data-{name}")) for name in ("left", "right", "from", "to")}
    x = scale["left"] + (at_s - scale["from"]) / (scale["to"] - scale["from"]) * (scale["right"] - scale["left"])
    return box["x"] + x * box["width"] / float(svg.get_attribute("viewBox").split()[2]), box["y"] + 320


def read(page):
    """What the cursor reads out: {name: value}, the seconds under ""."""
    spans = page.locator("#readout span").all_text_contents()
    return {name if value else "": value or name for name, _, value in (span.partition(": ") for span in spans)}


def numbers(trials, at_s):
    """A second of the drill that passes, from the series: {name: value} of what can be computed without the page."""
    evidence, findings = trials.rolled_back()
    drawing = chart.build(evidence, findings)
    counts = drawing.series
    row = int(np.searchsorted(counts.start_s, at_s, side="right")) - 1
    share, low, high = (float(column[row]) for column in counts.share_percent())
    latencies = {
        track: " / ".join(f"{each:.1f}" for each in counts.latency_ms[track][row]) for track in ("stable", "canary")
    }
    return {
        "measured share, % (95 % interval)": f"{share:.1f} ({low:.1f} to {high:.1f})",
        "canary, requests/s": words.number(float(counts.rate_rps("canary")[row])),
        "canary not ok, % (count)": f"{counts.bad_percent('canary')[row]:.1f} ({counts.bad['canary'][row]})",
        "stable p50 / p95 / p99, ms": latencies["stable"],
        "canary p50 / p95 / p99, ms": latencies["canary"],
        "writes ok / failed / unknown": " / ".join(
            str(counts.writes[name][row]) for name in ("ok", "failed", "unknown")
        ),
    }


@pytest.mark.parametrize("at_s", [-10.5, 0.5, 3.1])
@pytest.mark.parametrize(("width", "drawing"), [(1400, "wide"), (390, "narrow")])
def test_pointer_reads_out_the_series(open_report, trials, width, drawing, at_s):
    """Over an instant the readout has the numbers of series.py for its second, in all panels."""
    page = open_report("rolled_back", width).page
    svg = page.locator(f"svg#{drawing}")
    page.mouse.move(*place(svg, at_s))
    shown, wanted = read(page), numbers(trials, at_s)
    assert wanted == {name: shown.get(name) for name in wanted}
    assert f"{math.floor(at_s)} to {math.floor(at_s) + 1} s" == shown[""]
    assert "visible" == svg.locator(".cursor").get_attribute("visibility")


def test_cursor_reads_out_weight_phase_and_alerts(open_report):
    """In the second in which the alert fired, weight, phase, fault, rollback and the alert's states are there."""
    page = open_report("rolled_back").page
    svg = page.locator("svg#wide")
    page.mouse.move(*place(svg, 2.5))
    shown = read(page)
    assert ("25", "detect, fault on") == (shown["configured weight, %"], shown["phase"])
    assert "CanaryErrorRatioHigh pending → firing" == shown["alerts"]
    page.mouse.move(*place(svg, 3.65))
    assert "detect → rollback, fault on, rolling back" == read(page)["phase"]


def test_keyboard_moves_the_cursor(open_report):
    """The chart is reached by Tab and moved by the arrow keys; a screen reader hears the values."""
    page = open_report("rolled_back").page
    plot = page.locator("#plot")
    page.locator("#reset").focus()
    page.keyboard.press("Tab")
    assert True is plot.evaluate("(each) => each === document.activeElement")
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert "2 to 3 s" == page.locator("#readout span").first.text_content()
    assert plot.get_attribute("aria-valuetext").startswith(
        "2 to 3 s; phase: detect, fault on; configured weight, %: 25"
    )
    page.keyboard.press("End")
    assert "27" == plot.get_attribute("aria-valuenow")


def drawn(page):
    """Everything of the wide drawing that can move: a line's points, marks and labels of the axis."""
    return page.locator("svg#wide").evaluate(
        "(svg) => [...svg.querySelectorAll('.moves [points], .moves rect, .flags text, .times text')].map("
        "(each) => [each.getAttribute('points'), each.getAttribute('x'), each.getAttribute('width'), each.textContent])"
    )


def seen(page):
    """(from, to) of the zoomed view as the page says it; None for the whole trial."""
    says = page.locator("#view")
    return tuple(float(says.get_attribute(f"data-{end}")) for end in ("from", "to")) if says.text_content() else None


def test_drag_zooms_and_the_cursor_stays_right(open_report, trials):
    """A drag from -2 to 6 s shows just that; the cursor reads the same second as before; reset brings all back."""
    page = open_report("rolled_back").page
    svg = page.locator("svg#wide")
    page.locator("#zoom-in").click()
    page.locator("#reset").click()
    before = drawn(page)
    page.mouse.move(*place(svg, -2))
    page.mouse.down()
    page.mouse.move(*place(svg, 6), steps=4)
    page.mouse.up()
    assert (pytest.approx(-2, abs=0.1), pytest.approx(6, abs=0.1)) == seen(page)
    assert before != drawn(page)
    box = svg.bounding_box()
    page.mouse.move(box["x"] + place_in_view(svg, seen(page), 0.5) * box["width"], box["y"] + 320)
    wanted = numbers(trials, 0.5)
    shown = read(page)
    assert wanted == {name: shown.get(name) for name in wanted}
    page.locator("#reset").click()
    assert before == drawn(page)
    assert None is seen(page)


def place_in_view(svg, view, at_s):
    """Where an instant stands in a zoomed drawing, as a part of its width."""
    left, right = (float(svg.get_attribute(f"data-{name}")) for name in ("left", "right"))
    x = left + (at_s - view[0]) / (view[1] - view[0]) * (right - left)
    return x / float(svg.get_attribute("viewBox").split()[2])


def test_weight_stands_at_its_instant_when_zoomed(open_report):
    """After zooming the step of the weight line is where its second is on the new axis."""
    page = open_report("rolled_back").page
    for _ in range(3):
        page.locator("#zoom-in").click()
    svg = page.locator("svg#wide")
    points = svg.locator("polyline.weight").last.get_attribute("points")
    xs = [float(pair.split(",")[0]) for pair in points.split()]
    drops = [low for low, high in pairwise(xs) if low == high]
    width = float(svg.get_attribute("viewBox").split()[2])
    wanted = place_in_view(svg, seen(page), 30.101 - 26.41) * width  # the router's first read of 0
    assert 1.5 > min(abs(drop - wanted) for drop in drops)


def test_keyboard_zooms_pans_and_resets(open_report):
    """+ halves what is seen, Shift and an arrow move it, - and 0 bring it back, and the cursor is followed."""
    page = open_report("rolled_back").page
    page.locator("#plot").focus()
    page.keyboard.press("+")
    page.keyboard.press("+")
    low, high = seen(page)
    assert 10 < high - low < 15
    page.keyboard.press("Shift+ArrowRight")
    assert pytest.approx(low + (high - low) / 4, abs=0.15) == seen(page)[0]
    page.keyboard.press("Home")
    assert seen(page)[0] < float(page.locator("#plot").get_attribute("aria-valuenow")) + 1 < seen(page)[1]
    page.keyboard.press("0")
    assert None is seen(page)


def test_flags_keep_apart_when_zoomed(open_report):
    """The numbered marks do not cover each other, and those outside of the view are away."""
    page = open_report("rolled_back").page
    for _ in range(3):
        page.locator("#zoom-in").click()
    places = page.locator("svg#wide").evaluate(
        "(svg) => [...svg.querySelectorAll('.flags .mark')].filter((each) => each.getAttribute('display') !== 'none')"
        ".map((each) => Number(each.querySelector('circle').getAttribute('cx')))"
    )
    assert 3 < len(places)
    assert [] == [places for low, high in pairwise(sorted(places)) if high - low < 16]


@pytest.mark.parametrize("trial", ["rolled_back", "lost_writes"])
def test_keyboard_reaches_everything(open_report, trial):
    """By Tab alone every link, button, summary, scrolled table and the chart gets the focus, in the page's order."""
    page = open_report(trial).page
    wanted = page.evaluate(
        "[...document.querySelectorAll('a, button, summary, [tabindex=\"0\"]')]"
        ".filter((each) => each.checkVisibility()).map((each) => each.outerHTML.slice(0, 80))"
    )
    reached = []
    for _ in wanted:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.outerHTML.slice(0, 80)"))
    assert 15 < len(wanted)
    assert wanted == reached


def test_nothing_is_told_by_colour_alone(open_report):
    """Percentiles differ in dashes, the canary has dots, states of alerts and outcomes of writes differ in outline."""
    page = open_report("rolled_back").page
    style = "(each) => { const s = getComputedStyle(each); return [s.strokeDasharray, s.fill === 'none']; }"
    kinds = [".line.stable.p50", ".line.stable.p95", ".line.stable.p99", ".alert-pending", ".alert-firing"]
    found = [tuple(page.locator(f"svg#wide {kind}").first.evaluate(style)) for kind in kinds]
    assert len(found) == len(set(found))
    assert 20 < page.locator("svg#wide circle.dot.canary").count()
    outlines = {page.locator(f"svg#wide .write-{name}").first.evaluate(style)[0] for name in ("failed", "unknown")}
    assert 2 == len(outlines)


def test_links_lead_to_files_beside_the_page(open_report, trials):
    """The rows behind a check are linked relative to the page, and nothing else leaves it."""
    page = open_report("lost_writes").page
    links = page.evaluate("[...document.querySelectorAll('a')].map((each) => each.getAttribute('href'))")
    files = set(trials.FILES)
    assert set() == {link for link in links if not link.startswith("#")} - files
    assert "readback/store/rows.parquet" in links
    assert True is page.locator("#check-data-loss .rows a").first.is_visible()


def test_without_script_everything_is_there(open_report):
    """Chart, waterfall and numbers need no script; only the readout and the zoom stay away."""
    page = open_report("rolled_back", script=False).page
    assert True is page.locator("svg#wide").is_visible()
    assert True is page.locator("svg#fall-wide").is_visible()
    assert [False, False] == [page.locator(name).is_visible() for name in ("#readout", "#tools")]
    page.get_by_text("The chart in numbers", exact=True).click()
    assert True is page.locator("#seconds").is_visible()


def test_narrow_page_has_the_narrow_drawing(open_report):
    """Each width has its own drawing, so that no text is scaled down."""
    shown = {
        width: [
            open_report("rolled_back", width).page.locator(f"svg#{name}").is_visible() for name in ("wide", "narrow")
        ]
        for width in WIDTHS
    }
    assert {390: [False, True], 1400: [True, False]} == shown


def test_cause_leads_to_its_check(open_report):
    """The link beside the earliest cause goes to a check that is already unfolded."""
    page = open_report("lost_writes").page
    page.locator(".cause a").click()
    assert True is page.locator("tr:target .rules").is_visible()
    assert "data_loss" in page.locator("tr:target th").text_content()


def test_print_shows_the_whole_trial(open_report):
    """A zoomed chart is printed whole and zoomed again after; the paper is a PDF of several pages."""
    page = open_report("rolled_back").page
    page.locator("#zoom-in").click()
    zoomed = seen(page)
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert None is seen(page)
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert zoomed == seen(page)
    paper = page.pdf(format="A4")
    assert 3 < len(re.findall(rb"/Type /Page\b", paper))


@pytest.mark.parametrize("width", [730, 794, 1100])
def test_values_have_room_when_unfolded(open_report, width):
    """On paper and on a small screen no value of a check is squeezed into a column of single letters."""
    page = open_report("lost_writes", width).page
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    for media in ("screen", "print"):
        page.emulate_media(media=media)
        widths = page.evaluate("[...document.querySelectorAll('.pairs dd')].map((each) => each.clientWidth)")
        assert 120 < min(widths)


def test_print_unfolds_everything(open_report):
    """Paper shows what a click would have shown but the table of seconds, in light; all folds again after."""
    page = open_report("rolled_back", scheme="dark").page
    folded = page.locator("details:not([open])").count()
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert ["The chart in numbers"] == page.locator("details:not([open]) > summary").all_text_contents()
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert folded == page.locator("details:not([open])").count()
    page.emulate_media(media="print")
    assert "rgb(255, 255, 255)" == page.evaluate("getComputedStyle(document.body).backgroundColor")
