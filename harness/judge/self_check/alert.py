"""Mutations of the alerts: never, too late, too early, for another version, told to nobody, forbidden, for ever."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

import numpy as np

from harness.clock import NS_PER_S
from harness.evidence.run import Evidence
from harness.judge import alert
from harness.judge.detection import bounds_s
from harness.judge.facts import CANARY_TRACK, HOLD, Array, Facts, is_among
from harness.judge.self_check import edit
from harness.judge.self_check.mutation import Mutation

NONE_REQUIRED: Final = "no alert is required"
NONE_FORBIDDEN: Final = "no alert is forbidden"
NEVER_FIRED: Final = "no required alert ever fired for what it must be about"


def _firing_rows(facts: Facts) -> Array:
    """Rows of `samples` in which a required alert fires for what it must be about, in order of time. Shape (m,)."""
    samples = facts.evidence.samples
    alerts = samples["name"] == "ALERTS"
    texts = tuple(text for text in sorted(set(samples["labels"][alerts].tolist())) if _fires(facts, text))
    rows = np.flatnonzero(alerts & is_among(samples["labels"], texts))
    return np.asarray(rows[np.argsort(samples["t_ns"][rows], kind="stable")])


def _fires(facts: Facts, text: str) -> bool:
    labels = json.loads(text)
    mine = labels.get("track") == CANARY_TRACK and labels.get("version") == facts.versions[1]
    mine |= labels.get("action") == HOLD
    return mine and labels.get("alertstate") == "firing" and labels.get("alertname") in facts.required


def _unmovable(facts: Facts) -> str:
    """Why there is no firing edge that could be moved; "" where there is one."""
    if not facts.required:
        return NONE_REQUIRED
    if not facts.chain["first_faulted_response"].known:
        return facts.chain["first_faulted_response"].unknown
    return "" if _firing_rows(facts).size else NEVER_FIRED


def _edge_moved(facts: Facts, to_ns: int) -> Evidence:
    """All firing samples moved so that the first of them stands at `to_ns`."""
    rows = _firing_rows(facts)
    return edit.moved(facts.evidence, "samples", rows, to_ns - int(facts.evidence.samples["t_ns"][rows[0]]))


def _fires_late(facts: Facts) -> Evidence | str:
    """The edge lies a second behind the bound, less all that its instant may be off."""
    if why := _unmovable(facts):
        return why
    bound_ns = facts.chain["first_faulted_response"].hi_ns + round(facts.limit_s("detect_s_max") * NS_PER_S)
    return _edge_moved(facts, bound_ns + facts.slack_ns + NS_PER_S)


def _fires_before(facts: Facts) -> Evidence | str:
    """The edge lies a second before the fault."""
    if why := _unmovable(facts):
        return why
    return _edge_moved(facts, facts.chain["fault_on"].lo_ns - facts.slack_ns - NS_PER_S)


def _never_fires(facts: Facts) -> Evidence | str:
    if why := _unmovable(facts):
        return why
    kept = np.ones(facts.evidence.samples["t_ns"].size, dtype=bool)
    kept[_firing_rows(facts)] = False
    return edit.taken(facts.evidence, "samples", kept)


def _fires_for_stable(facts: Facts) -> Evidence | str:
    """The alert fires as it did, for stable's version."""
    if why := _unmovable(facts):
        return why
    if any(facts.alerts.is_of_service(name) for name in facts.required):
        return "a required alert is about the service, whatever its version"
    rows = _firing_rows(facts)
    texts = facts.evidence.samples["labels"][rows].tolist()
    other = [json.dumps({**json.loads(text), "version": facts.versions[0]}, sort_keys=True) for text in texts]
    return edit.put(facts.evidence, "samples", rows, labels=np.array(other, dtype=object))


def _no_samples(facts: Facts) -> Evidence | str:
    return edit.emptied(facts.evidence, "samples") if facts.required else NONE_REQUIRED


def _prometheus_dies(facts: Facts) -> Evidence | str:
    """Prometheus has no sample from the first faulted answer on."""
    if why := _unmovable(facts):
        return why
    samples_ns = facts.evidence.samples["t_ns"]
    return edit.taken(facts.evidence, "samples", samples_ns < facts.chain["first_faulted_response"].lo_ns)


def _beyond_chance(facts: Facts) -> Evidence | str:
    """The edge lies a second behind what chance leaves, less all that its instant may be off."""
    if why := _unmovable(facts):
        return why
    bounds = bounds_s(facts)
    if not bounds:
        return "how late chance lets the alert fire is not known"
    worst_ns = round(max(worst_s for _, worst_s in bounds.values()) * NS_PER_S)
    to_ns = facts.chain["first_faulted_response"].hi_ns + worst_ns + facts.slack_ns + NS_PER_S
    heard = [replace(one, t_ns=max(one.t_ns, to_ns)) for one in facts.evidence.notifications]
    return replace(_edge_moved(facts, to_ns), notifications=tuple(heard))


def _nobody_told(facts: Facts) -> Evidence | str:
    return replace(facts.evidence, notifications=()) if facts.required else NONE_REQUIRED


def _never_resolves(facts: Facts) -> Evidence | str:
    """It fires in the very last sample."""
    if why := _unmovable(facts):
        return why
    row = int(_firing_rows(facts)[-1])
    times = facts.evidence.samples["t_ns"]
    changed = edit.repeated(facts.evidence, "samples", row)
    return edit.moved(changed, "samples", times.size, int(times.max() - times[row]))


def _forbidden_fires(facts: Facts) -> Evidence | str:
    """A forbidden alert fires in one sample, in the middle of the load."""
    names = facts.expect["alerts_forbidden"]
    times = facts.evidence.samples["t_ns"]
    if not names:
        return NONE_FORBIDDEN
    if times.size == 0:
        return "Prometheus has no samples"
    nearest = int(np.argmin(np.abs(times - (facts.start_ns + facts.stop_ns) // 2)))
    labels = json.dumps({"alertname": names[0], "alertstate": "firing"}, sort_keys=True)
    return edit.repeated(facts.evidence, "samples", nearest, name="ALERTS", labels=labels, value=1.0)


def _rules_idle(facts: Facts) -> Evidence | str:
    """Prometheus scrapes and evaluates no rule."""
    if not facts.expect["alerts_forbidden"]:
        return NONE_FORBIDDEN
    names = facts.evidence.samples["name"]
    scraped = tuple(name for name in sorted(set(names.tolist())) if ":" not in name and not name.startswith("ALERTS"))
    return edit.taken(facts.evidence, "samples", is_among(names, scraped))


MUTATIONS: Final = (
    Mutation("alert_before_the_fault", alert.ID, "not_before", _fires_before),
    Mutation("alert_never_fires", alert.ID, "fired", _never_fires),
    Mutation("alert_fires_for_stable", alert.ID, "fired", _fires_for_stable),
    Mutation("no_samples", alert.ID, "fired", _no_samples),
    Mutation("prometheus_dies", alert.ID, "blind", _prometheus_dies),
    Mutation("alert_too_late", alert.ID, "in_time", _fires_late),
    Mutation("alert_later_than_chance", alert.ID, "in_bounds", _beyond_chance),
    Mutation("nobody_notified", alert.ID, "notification", _nobody_told),
    Mutation("forbidden_alert_fires", alert.ID, "forbidden", _forbidden_fires),
    Mutation("rules_idle", alert.ID, "forbidden", _rules_idle),
    Mutation("alert_never_resolves", alert.ID, "resolved", _never_resolves),
)
