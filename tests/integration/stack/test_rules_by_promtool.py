"""Every rule of both timings, evaluated by promtool: where it fires and where it just does not, clause by clause."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace

import pytest
import yaml

from harness.drive.stack import rules

pytestmark = pytest.mark.integration

STEPS = 60  # scrapes
ERRORS = ("CanaryErrorRatioHigh", "canary", "1.1", "rollback")
SLOW = ("CanaryLatencyHigh", "canary", "1.1", "rollback")
DOWN = ("CanaryDown", "canary", "1.1", "rollback")
CPU = ("CanaryCpuSaturated", "canary", "1.1", "rollback")
MEMORY = ("CanaryMemorySaturated", "canary", "1.1", "rollback")
SERVICE = ("ServiceErrorRatioHigh", "stable", "1.0", "hold")
MIB = 1 << 20
BOTH_TIMINGS = pytest.mark.parametrize("timing", rules.TIMINGS.values(), ids=lambda timing: timing.name)


# -- what promtool is asked -------------------------------------------------------------------------------------------


def labelled(name, **labels):
    inside = ",".join(f'{label}="{value}"' for label, value in labels.items())
    return f"{name}{{{inside}}}"


def series(name, values, **labels):
    return {"series": labelled(name, **labels), "values": values}


def alert_samples(state, alerts):
    return [
        {
            "labels": labelled(
                "ALERTS",
                alertname=name,
                alertstate=state,
                track=track,
                version=version,
                action=action,
                severity="critical",
            ),
            "value": 1,
        }
        for name, track, version, action in alerts
    ]


def asked(at_s, state, alerts):
    """At this second exactly these alerts have this state; the Watchdog has a test of its own."""
    return {
        "expr": f'ALERTS{{alertstate="{state}",alertname!="Watchdog"}}',
        "eval_time": f"{at_s}s",
        "exp_samples": alert_samples(state, alerts),
    }


def true(at_s, expression):
    """At this second the expression, a comparison with `bool`, is 1."""
    return {"expr": expression, "eval_time": f"{at_s}s", "exp_samples": [{"value": 1}]}


@pytest.fixture(name="promtool")
def _promtool(found_binaries, tmp_path):
    """Run `promtool test rules`; `grid` is the distance of the values of each series."""

    def run(timing, grid, given, questions):
        (tmp_path / "rules.yaml").write_text(rules.render(timing))
        document = {
            "rule_files": ["rules.yaml"],
            "evaluation_interval": f"{timing.evaluation_s}s",
            "tests": [{"interval": grid, "input_series": given, "promql_expr_test": questions}],
        }
        (tmp_path / "test.yaml").write_text(yaml.safe_dump(document))
        argv = [found_binaries.promtool, "test", "rules", str(tmp_path / "test.yaml")]
        return subprocess.run(argv, timeout=30, capture_output=True, text=True, check=False)

    return run


def holds(done):
    assert done.returncode == 0, done.stdout + done.stderr


# -- steady traffic, both timings -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Track:
    """One instance, each scrape alike: answers by status, slow ones among them, cores used, memory held and taken."""

    name: str
    version: str
    well: int = 100
    errors: int = 0
    slow: int = 0
    cores: float = 0.1
    mib: float = 80
    mib_more: float = 0

    def series(self, timing):
        track = {"job": "service", "track": self.name}
        route = {**track, "version": self.version, "route": "/work"}
        answered, duration = self.well + self.errors, "http_request_duration_seconds"

        def grows(by):
            return f"0+{by}x{STEPS}"

        return [
            series("up", f"1x{STEPS}", **track),
            series("http_requests_total", grows(self.well), **route, method="GET", code="200"),
            series("http_requests_total", grows(self.errors), **route, method="GET", code="503"),
            series(f"{duration}_count", grows(answered), **route),
            series(f"{duration}_bucket", grows(answered - self.slow), **route, le="0.25"),
            series(f"{duration}_bucket", grows(answered), **route, le="+Inf"),
            series("process_cpu_seconds_total", grows(self.cores * timing.scrape_s), **track),
            series("process_resident_memory_bytes", f"{self.mib * MIB}+{self.mib_more * MIB}x{STEPS}", **track),
            series("router_requests_total", grows(answered), job="router", track=self.name),
        ]


def canary(**changed):
    return Track("canary", "1.1", **changed)


def stable(**changed):
    return Track("stable", "1.0", **{"well": 300, **changed})


@dataclass(frozen=True)
class Case:
    """What each track does and the alerts that fire of it, in either timing."""

    says: str
    canary: Track | None
    stable: Track | None
    fires: tuple[tuple[str, str, str, str], ...]


BROKEN = canary(well=70, errors=30)
TIRED = canary(slow=30)
BUSY = canary(cores=0.9)
LEAKY = canary(mib=300, mib_more=1)
STEADY = (
    Case("a broken canary beside a healthy stable", BROKEN, stable(), (ERRORS,)),
    Case("both healthy", canary(), stable(), ()),
    # Each clause on both sides. Ratio: 5 % is not over 5 %.
    Case("ratio just over", canary(well=939, errors=61), stable(), (ERRORS,)),
    Case("ratio exactly at the limit", canary(well=95, errors=5), stable(), ()),
    # Relative to stable: 10 % against 3 x 3 % and 3 x 4 %.
    Case("just over three times stable", canary(well=90, errors=10), stable(well=97, errors=3), (ERRORS,)),
    Case("just under three times stable", canary(well=90, errors=10), stable(well=96, errors=4), ()),
    Case("the same fault on both", BROKEN, stable(well=70, errors=30), (SERVICE,)),
    # Stable without a ratio counts as 0.
    Case("stable has no series", BROKEN, None, (ERRORS,)),
    Case("stable has no traffic", BROKEN, stable(well=0), (ERRORS,)),
    Case("the canary has no traffic", canary(well=0), stable(), ()),
    Case("the canary has no series", None, stable(), ()),
    Case("stable alone is broken", canary(), stable(well=90, errors=10), (SERVICE,)),
    Case("stable just at the limit", canary(), stable(well=95, errors=5), ()),
    # Slow: over 25 % of answers over 0.25 s, and over three times stable's share.
    Case("a slow canary", TIRED, stable(), (SLOW,)),
    Case("slow share just over", canary(slow=26), stable(), (SLOW,)),
    Case("slow share exactly at the limit", canary(slow=25), stable(), ()),
    Case("just over three times as slow", TIRED, stable(slow=29), (SLOW,)),
    Case("just under three times as slow", TIRED, stable(slow=31), ()),
    Case("both slow", TIRED, stable(slow=90), ()),
    Case("slow beside no stable", TIRED, None, (SLOW,)),
    Case("slow beside a stable without traffic", TIRED, stable(well=0), (SLOW,)),
    Case("slow and broken", canary(well=70, errors=30, slow=30), stable(), (ERRORS, SLOW)),
    # CPU: over 0.85 of a core and over twice stable's.
    Case("a busy canary", BUSY, stable(), (CPU,)),
    Case("cores just over", canary(cores=0.86), stable(), (CPU,)),
    Case("cores just under", canary(cores=0.84), stable(), ()),
    Case("just over twice as busy", BUSY, stable(cores=0.44), (CPU,)),
    Case("just under twice as busy", BUSY, stable(cores=0.46), ()),
    Case("busy beside no stable", BUSY, None, (CPU,)),
    # Memory: over 256 MiB, which 248.5 + 0.3 a scrape is from the 26th on and 246.9 + 0.3 not yet at the 30th, and
    # growing: 0.21 a scrape are 1.05 in the window.
    Case("a leak", LEAKY, stable(), (MEMORY,)),
    Case("memory just over", canary(mib=248.5, mib_more=0.3), stable(), (MEMORY,)),
    Case("memory just under", canary(mib=246.9, mib_more=0.3), stable(), ()),
    Case("large and quiet", canary(mib=300), stable(), ()),
    Case("large and just growing", canary(mib=300, mib_more=0.21), stable(), (MEMORY,)),
    Case("large and hardly growing", canary(mib=300, mib_more=0.19), stable(), ()),
    Case("a leak in stable", canary(), stable(mib=300, mib_more=1), ()),
)


@BOTH_TIMINGS
@pytest.mark.parametrize("case", STEADY, ids=lambda case: case.says)
def test_rules_fire_for_steady_traffic_as_they_should(promtool, timing, case):
    """After thirty scrapes of the same traffic exactly these alerts fire, with these labels."""
    given = [found for track in (case.canary, case.stable) if track for found in track.series(timing)]
    question = asked(30 * timing.scrape_s, "firing", case.fires)
    holds(promtool(timing, f"{timing.scrape_s}s", given, [question]))


@BOTH_TIMINGS
def test_the_watchdog_fires_with_nothing_to_see(promtool, timing):
    """It needs no series, asks for nothing, and waits only until Prometheus knows whom to tell."""
    labels = {"alertname": "Watchdog", "action": "none", "severity": "none"}
    wait_s = max(rules.WATCHDOG_FOR_S, timing.evaluation_s)
    questions = [
        {
            "expr": f'ALERTS{{alertname="Watchdog",alertstate="{state}"}}',
            "eval_time": f"{at_s}s",
            "exp_samples": [{"labels": labelled("ALERTS", alertstate=state, **labels), "value": 1}],
        }
        for at_s, state in ((0, "pending"), (wait_s, "firing"), (100 * wait_s, "firing"))
    ]
    holds(promtool(timing, "1s", [], questions))


def test_a_wrong_expectation_makes_promtool_fail(promtool):
    """The tests of this file can go red: an alert that is expected and does not fire fails the run."""
    given = [*canary().series(rules.DRILL), *stable().series(rules.DRILL)]
    assert promtool(rules.DRILL, "1s", given, [asked(30, "firing", (ERRORS,))]).returncode == 1


@BOTH_TIMINGS
def test_quantiles_are_recorded_by_track(promtool, timing):
    """Nine of ten answers within 0.1 s and one within 0.5 s: p95 lies half-way up the upper bucket, p99 higher."""
    route = {"track": "canary", "version": "1.1", "route": "/work"}
    given = [
        series("http_request_duration_seconds_bucket", f"0+{count}x{STEPS}", **route, le=edge)
        for edge, count in (("0.1", 90), ("0.5", 100), ("+Inf", 100))
    ]
    name, at_s = "track_version:http_request_duration_seconds", 30 * timing.scrape_s

    def about(percent, value):
        found = f'{name}:p{percent}_rate{timing.window_s}s{{track="canary",version="1.1"}}'
        return true(at_s, f"abs(sum({found}) - {value}) < bool 0.001")

    holds(promtool(timing, f"{timing.scrape_s}s", given, [about(95, 0.3), about(99, 0.46)]))


# -- the canary is down -----------------------------------------------------------------------------------------------

GONE = 20  # the scrape that fails first


def until(text, steps=GONE):
    """A series of `steps` samples that a failed scrape ends."""
    return f"{text}x{steps - 1} stale"


@dataclass(frozen=True)
class Down:
    """Series of the canary, of what the router sends it, and of stable's `up`, as promtool's values."""

    says: str
    fires: tuple[tuple[str, str, str, str], ...]
    up: str = f"1x{GONE - 1} 0x{STEPS}"
    requests: str = until("0+10")
    routed: str = f"0+10x{STEPS}"
    stable_up: str = f"1x{STEPS}"

    def series(self):
        given = {
            ("up", ("track", "canary")): self.up,
            ("up", ("track", "stable")): self.stable_up,
            ("http_requests_total", ("track", "canary"), ("version", "1.1"), ("code", "200")): self.requests,
            ("router_requests_total", ("track", "canary")): self.routed,
            ("router_requests_total", ("track", "stable")): f"0+30x{STEPS}",
        }
        return [series(name, values, **dict(labels)) for (name, *labels), values in given.items() if values]


UNKNOWN = (DOWN[0], "canary", "unknown", "rollback")
DOWNS = (
    Down("it fails its scrapes", (DOWN,)),
    Down("it is gone from discovery", (DOWN,), up=until("1")),
    Down("its page has lost the metrics", (DOWN,), up=f"1x{STEPS}"),
    Down("it never came up", (UNKNOWN,), up=f"0x{STEPS}", requests=""),
    Down("there is no stable", (DOWN,), stable_up=""),
    Down("it is up", (), up=f"1x{STEPS}", requests=f"0+10x{STEPS}"),
    Down("it is up and idle", (), up=f"1x{STEPS}", requests=f"0x{STEPS}", routed=f"0x{STEPS}"),
    Down("it is started and nobody asks it", (), up=f"0x{STEPS}", requests="", routed=f"0x{STEPS}"),
    Down("nothing is scraped yet", (), up="", requests="", routed="", stable_up=""),
    Down("it ends before its first request", (), routed=f"0x{STEPS}"),
    Down("it ends long after its last request", (), routed=f"0+10x{GONE - 10} 100x{STEPS}"),
    Down("stable is down as well", (), stable_up=f"1x{GONE - 1} 0x{STEPS}"),
    Down("the router tells nothing", (), routed=""),
)


@BOTH_TIMINGS
@pytest.mark.parametrize("case", DOWNS, ids=lambda case: case.says)
def test_a_canary_is_down_while_requests_reach_it(promtool, timing, case):
    """Firing from one window after the first failed scrape, if at all, and it stays."""
    first_s, step_s = (GONE + 5) * timing.scrape_s, timing.scrape_s
    questions = [
        asked(first_s - step_s, "firing", case.fires if case.fires == (UNKNOWN,) else ()),
        asked(first_s, "firing", case.fires),
        asked(first_s + 20 * step_s, "firing", case.fires),
    ]
    holds(promtool(timing, f"{step_s}s", case.series(), questions))


@BOTH_TIMINGS
@pytest.mark.parametrize("last", [GONE - 2, GONE - 1, GONE])
def test_a_canary_that_was_drained_and_stopped_is_not_down(promtool, timing, last):
    """Its last request is counted a scrape or two before it is gone, or in the very scrape that fails."""
    case = Down("removed", (), routed=f"0+10x{last} {10 * last}x{STEPS}")
    questions = [asked((GONE + step) * timing.scrape_s, "firing", ()) for step in range(30)]
    pending = asked(GONE * timing.scrape_s, "pending", (DOWN,))
    holds(promtool(timing, f"{timing.scrape_s}s", case.series(), [pending, *questions]))


def test_the_version_outlives_its_series_by_more_than_prometheus_looks_back(promtool):
    """Ten minutes after the last good scrape the alert still names the version."""
    long = replace(Down("long", (DOWN,)), up=f"1x{GONE - 1} 0x700", routed="0+10x720", stable_up="1x720")
    holds(promtool(rules.DRILL, "1s", long.series(), [asked(GONE + 600, "firing", (DOWN,))]))


def test_a_new_release_takes_the_place_of_the_one_seen_before(promtool):
    """1.1 has gone, 1.2 was there and is down: the alert names 1.2 alone."""
    case = Down("next", (), requests="0+10x9 stale", up=f"1x{GONE - 1} 0x{STEPS}")
    next_one = series("http_requests_total", f"_x9 {until('0+10', 10)}", track="canary", version="1.2", code="200")
    firing = (DOWN[0], "canary", "1.2", "rollback")
    holds(promtool(rules.DRILL, "1s", [*case.series(), next_one], [asked(GONE + 6, "firing", (firing,))]))


# -- a few requests, drill timing -------------------------------------------------------------------------------------

# Values on a grid of 5 ms, so that a scrape can be late by that much; scrapes are half a second away from evaluations.
GRID_MS = 5
PHASE_MS = 500


def scraped(values, late_ms=None, phase_ms=PHASE_MS):
    """One value a second from `phase_ms` on; `late_ms`: scrape -> how late it is, None where it is lost."""
    cells, at = [], 0
    for scrape, value in enumerate(values):
        late = (late_ms or {}).get(scrape, 0)
        if late is None:
            continue
        due = (1000 * scrape + phase_ms + late) // GRID_MS
        cells += [f"_x{due - at}", str(value)]
        at = due + 1
    return " ".join(cells)


def counted(*scrapes, base=0, steps=40):
    """A counter that grows by one at each of these scrapes."""
    return [base + sum(scrape <= now for scrape in scrapes) for now in range(steps)]


def answers(well, errors, slow=(), late_ms=None, base=0):
    """A canary that answers `well` a second beside single errors or single slow answers, and a healthy stable."""
    of_canary = {"track": "canary", "version": "1.1"}
    bad, slow_ones = counted(*errors, base=base), counted(*slow)
    alright = [well * now for now in range(len(bad))]
    answered = [1000 + good + error for good, error in zip(alright, bad, strict=True)]
    fast = [every - tired for every, tired in zip(answered, slow_ones, strict=True)]
    duration = "http_request_duration_seconds"
    return [
        series("http_requests_total", scraped(alright, late_ms), **of_canary, code="200"),
        series("http_requests_total", scraped(bad, late_ms), **of_canary, code="503"),
        series(f"{duration}_count", scraped(answered, late_ms), **of_canary),
        series(f"{duration}_bucket", scraped(fast, late_ms), **of_canary, le="0.25"),
        series(
            "http_requests_total", scraped([30 * now for now in range(40)]), track="stable", version="1.0", code="200"
        ),
    ]


@pytest.mark.parametrize(
    ("says", "well", "scrapes", "expected"),
    [
        # Five requests a second: 2 errors in the window are 7 %, 3 are 11 %. Scrape 21 is seen at second 22.
        ("three errors are enough", 5, (21, 22, 23), [(23, "pending", 0), (24, "pending", 1), (25, "firing", 1)]),
        ("two errors are not", 5, (21, 22), [(23, "pending", 0), (24, "pending", 0), (25, "firing", 0)]),
        # Of a counter that was 0, three read 3.375: 5.3 % of 51 answers, which read 63.75, and 4.6 % of 59.
        ("three of 51", 12, (21, 22, 23), [(25, "firing", 1)]),
        ("three of 59", 14, (21, 22, 23), [(24, "pending", 0), (25, "firing", 0)]),
        # Five scrapes see the errors of four seconds. All three in one window for one evaluation only: pending, and
        # gone before `for` has passed.
        ("gone after one evaluation", 5, (21, 22, 24), [(25, "pending", 1), (26, "firing", 0), (26, "pending", 0)]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_few_errors_fire_or_just_do_not(promtool, says, well, scrapes, expected):
    """Each side of the least count, of the ratio and of `for`, by single errors."""
    questions = [asked(at_s, state, (ERRORS,) * count) for at_s, state, count in expected]
    holds(promtool(rules.DRILL, f"{GRID_MS}ms", answers(well, scrapes), questions))


@pytest.mark.parametrize(
    ("says", "slow", "expected"),
    [
        ("five slow answers are enough", (21, 21, 22, 22, 23), [(24, "pending", 1), (25, "firing", 1)]),
        ("four are not", (21, 21, 22, 23), [(24, "pending", 0), (25, "firing", 0)]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_few_slow_answers_fire_or_just_do_not(promtool, says, slow, expected):
    """Of two answers a second, each side of the least count; four of ten are 40 %."""
    questions = [asked(at_s, state, (SLOW,) * count) for at_s, state, count in expected]
    holds(promtool(rules.DRILL, f"{GRID_MS}ms", answers(2, (), slow=slow), questions))


READ = 'sum(track_version:http_requests_5xx:increase5s{track="canary"})'


@pytest.mark.parametrize(
    ("says", "errors", "base", "late_ms", "low", "high"),
    [
        ("two on time", 2, 7, {}, 2.4999, 2.5001),
        ("two, a scrape 5 ms late", 2, 7, {20: 5}, 2.5025, 2.5035),
        ("two, a scrape 100 ms late", 2, 7, {20: 100}, 2.564, 2.565),
        ("two, a scrape 450 ms late", 2, 7, {20: 450}, 2.81, 2.82),
        ("two of a counter that was 0", 2, 0, {}, 2.2499, 2.2501),
        ("three on time", 3, 7, {}, 3.7499, 3.7501),
        ("three of a counter that was 0", 3, 0, {}, 3.3749, 3.3751),
        ("three, the last scrape late", 3, 7, {24: 450}, 3.37, 3.38),
    ],
)
def test_what_errors_are_read_as(promtool, says, errors, base, late_ms, low, high):
    """2.5 does not part 2 from 3 when a scrape is late; 2.9 does, up to half a second of it."""
    given = answers(5, (21, 22, 23)[:errors], late_ms=late_ms, base=base)
    questions = [true(25, f"{READ} > bool {low}"), true(25, f"{READ} < bool {high}")]
    holds(promtool(rules.DRILL, f"{GRID_MS}ms", given, questions))


def test_two_errors_do_not_fire_on_a_machine_that_scrapes_5_ms_late(promtool):
    """Both evaluations read over 2.5, so a guard at 2.5 would fire; the rule's does not even pend."""
    given = answers(5, (22, 23), late_ms={20: 5, 21: 5}, base=7)
    questions = [true(at_s, f"{READ} > bool 2.5") for at_s in (25, 26)]
    silent = [asked(at_s, state, ()) for at_s in (25, 26) for state in ("pending", "firing")]
    holds(promtool(rules.DRILL, f"{GRID_MS}ms", given, [*questions, *silent]))
