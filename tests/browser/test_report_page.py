"""The page in a real browser: quiet, alone, inside its width, legible, and its cursor."""

import re

import pytest

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


@pytest.mark.parametrize(("width", "drawing"), [(1400, "wide"), (390, "narrow")])
def test_pointer_shows_values(open_report, width, drawing):
    """Over the middle of the fault the readout shows that second's row of the table."""
    page = open_report("rolled_back", width).page
    svg = page.locator(f"svg#{drawing}")
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    scale = {name: float(svg.get_attribute(f"data-{name}")) for name in ("left", "right", "from", "to")} | {
        "width": float(svg.get_attribute("viewBox").split()[2])
    }
    at_s = 1.5
    x = scale["left"] + (at_s - scale["from"]) / (scale["to"] - scale["from"]) * (scale["right"] - scale["left"])
    page.mouse.move(box["x"] + x * box["width"] / scale["width"], box["y"] + box["height"] / 2)
    shown = page.locator("#readout span").all_text_contents()
    row = page.evaluate(
        "[...document.querySelectorAll('#seconds tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent)).find((cells) => cells[0] === '1')"
    )
    assert "1 to 2 s" == shown[0]
    assert [row[place] for place in (1, 2, 3, 4, 6, 7)] == [re.sub(r"^[^:]*: ", "", part) for part in shown[1:]]
    assert "visible" == svg.locator(".cursor").get_attribute("visibility")


def test_keyboard_moves_the_cursor(open_report):
    """The chart is reached by Tab and moved by the arrow keys; a screen reader hears the values."""
    page = open_report("rolled_back").page
    chart = page.locator("#chart")
    page.locator("a[href='#chain']").focus()
    page.keyboard.press("Tab")
    assert True is chart.evaluate("(each) => each === document.activeElement")
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert "2 to 3 s" == page.locator("#readout span").first.text_content()
    assert chart.get_attribute("aria-valuetext").startswith("2 to 3 s; configured weight, %: 25")
    page.keyboard.press("End")
    assert "27" == chart.get_attribute("aria-valuenow")


def test_without_script_everything_is_there(open_report):
    """Chart and numbers need no script; only the readout stays away."""
    page = open_report("rolled_back", script=False).page
    assert True is page.locator("svg#wide").is_visible()
    assert False is page.locator("#readout").is_visible()
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
