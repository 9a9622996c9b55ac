"""Rules of the domain against slow and simple ones: rest by trying every window, check digits by their definition."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from porttrack.cargo import check_digit
from porttrack.kit import invariants
from porttrack.kit.load_work import _container_numbers
from porttrack.kit.stored import AssignmentRow
from porttrack.rest import broken_rule

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
HALF = 30  # minutes; shifts on the hour change the rule's least value at half hours only


def slow_rule(shifts):
    """The first rule broken in any window that begins on a half hour, by adding up half hours of work."""
    busy = {half for begins, ends in shifts for half in range(begins * 2, ends * 2)}
    for length, name in ((48, "day"), (336, "week")):
        for start in range(min(busy) - length, max(busy) + 1):
            rests, run = [], 0
            for half in range(start, start + length + 1):
                if half < start + length and half not in busy:
                    run += 1
                else:
                    rests.append(run)
                    run = 0
            rests.sort(reverse=True)
            if name == "day" and (sum(rests[:2]) < 20 or rests[0] < 12):
                return "day"
            if name == "week" and sum(rests) < 154:
                return "week"
    return None


@st.composite
def shifts(draw):
    """Up to ten shifts without overlap, in hours from START."""
    spans, at = [], 0
    for _ in range(draw(st.integers(1, 10))):
        at += draw(st.integers(0, 20))
        length = draw(st.integers(1, 14))
        spans.append((at, at + length))
        at += length
    return spans


def instants(span):
    return START + span[0] * HOUR, START + span[1] * HOUR


@settings(max_examples=300, deadline=None)
@given(shifts(), st.integers(0, 9))
@example([(0, 12), (24, 36), (48, 60)], 2)
@example([(0, 6), (12, 18), (24, 30)], 1)  # three periods of six hours: no two of them are ten in the middle window
@example([(0, 4), (8, 10), (14, 24)], 1)
@example([(24 * day, 24 * day + 13) for day in range(7)], 6)
def test_rest_is_judged_as_by_trying_every_window(spans, place):
    """A shift breaks a rule among others that broke none, exactly where some window of the whole breaks it."""
    new = spans[place % len(spans)]
    others = [span for span in spans if span != new]
    if others and slow_rule(others):
        return  # a rule that was broken before is not the new shift's
    found = broken_rule([instants(span) for span in others], instants(new))
    expected = slow_rule(spans)
    assert (expected is None) == (found is None)
    assert found is None or found[0].startswith("rest_")
    rows = [
        AssignmentRow(number, f"op-{number}", "p", number, "1.0", "m", "pilot", *instants(span), "")
        for number, span in enumerate(spans)
    ]
    assert (expected is None) == ([] == list(invariants.rest(rows)))


@given(shifts(), st.sets(st.integers(0, 9)))
@settings(max_examples=100, deadline=None)
def test_fewer_shifts_are_never_worse(spans, lost):
    """What keeps the rules keeps them when some shifts were never stored."""
    kept = [span for place, span in enumerate(spans) if place not in lost]
    if kept and slow_rule(spans) is None:
        assert slow_rule(kept) is None


@pytest.mark.parametrize("number", ["CSQU3054383", "MSCU1234566", "HLXU2008419", "TGHU7599330"])
def test_known_container_numbers_have_their_digit(number):
    """Numbers of real containers."""
    assert int(number[-1]) == check_digit(number)


@given(st.from_regex(r"[A-Z]{3}[UJZ][0-9]{6}", fullmatch=True), st.integers(0, 9), st.integers(0, 9))
def test_one_wrong_digit_is_seen(number, place, digit):
    """Changing one digit changes the check digit, but for the pair of remainders 0 and 10."""
    letters = zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (n for n in range(10, 39) if n not in (11, 22, 33)), strict=True)
    values = {**{str(n): n for n in range(10)}, **dict(letters)}

    def remainder(text):
        return sum(values[character] * 2**power for power, character in enumerate(text)) % 11

    assert remainder(number) % 10 == check_digit(number + "0")
    place = 4 + place % 6
    changed = f"{number[:place]}{digit}{number[place + 1 :]}"
    if changed != number and {remainder(number), remainder(changed)} != {0, 10}:
        assert check_digit(number) != check_digit(changed)


def test_the_kit_never_uses_an_ambiguous_number():
    """Thousands of its numbers all have the digit that the service wants, each once."""
    numbers = [next(made) for made in [_container_numbers()] for _ in range(5000)]
    assert 5000 == len(set(numbers))
    assert [int(number[-1]) for number in numbers] == [check_digit(number) for number in numbers]
