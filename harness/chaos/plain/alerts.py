"""Did an alert fire: asked of Prometheus' own series ALERTS, over a window that ends now.

An alert that did not fire proves something only if its rule was there and evaluated: a rule that is not loaded,
has an error or is no longer evaluated is ActivityFailed, with the nearest name that there is.

Not covered: a rule that was added or changed within the window; whether anybody was told (Alertmanager's part); labels
that no alert of the rule ever has, for which `alert_not_fired` is true whatever happens.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from chaoslib.exceptions import ActivityFailed

from harness.chaos.plain import asking
from harness.chaos.plain.asking import Server
from harness.plan.validate import nearest

MISSED_EVALUATIONS_MAX: Final = 3  # one may be late under load; so many in a row are a rule that stands still
logger = logging.getLogger("chaostoolkit")


def alert_fired(
    prometheus_url: str,
    alert: str,
    within_s: float,
    labels: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> bool:
    """Whether `alert`, with these labels among its own, fired at some time in the last `within_s` seconds.

    `headers` go with every request. ActivityFailed where Prometheus cannot say.
    """
    window_s = asking.checked("within_s", within_s, 1, asking.WINDOW_S_MAX)
    with asking.connected(prometheus_url, headers) as server:
        require_evaluated(server, alert)
        return _fired(server, alert, window_s, labels or {})


def alert_not_fired(
    prometheus_url: str,
    alert: str,
    within_s: float,
    labels: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> bool:
    """Whether `alert`, with these labels among its own, did not fire at any time in the last `within_s` seconds.

    ActivityFailed where Prometheus cannot say, so also where it was started within these seconds.
    """
    window_s = asking.checked("within_s", within_s, 1, asking.WINDOW_S_MAX)
    with asking.connected(prometheus_url, headers) as server:
        require_evaluated(server, alert)
        up_s = server.now_s - _instant_s(server.status("status/runtimeinfo")["startTime"])
        if up_s < window_s:
            raise ActivityFailed(f"Prometheus was started {up_s:.0f} s ago: it cannot say of {window_s:g} s what fired")
        return not _fired(server, alert, window_s, labels or {})


def _fired(server: Server, alert: str, window_s: float, labels: Mapping[str, str]) -> bool:
    own = {"alertname": alert, "alertstate": "firing"}
    if own.keys() & labels.keys():
        raise ActivityFailed(f"labels: {sorted(own.keys() & labels.keys())[0]!r} is the probe's own; leave it out")
    found = server.samples(asking.selector("ALERTS", {**own, **labels}), window_s)
    instants_s = [at_s for series in found for at_s, _ in series.samples]
    if instants_s:
        first_s, last_s = server.now_s - min(instants_s), server.now_s - max(instants_s)
        logger.info("%s fired, from %.1f s to %.1f s ago", alert, first_s, last_s)
    else:
        logger.info("%s did not fire in the last %g s", alert, window_s)
    return bool(instants_s)


def require_evaluated(server: Server, alert: str) -> None:
    """The rule is loaded, without an error, and its last evaluation was not long ago."""
    loaded = [(group, rule) for group in server.status("rules?type=alert")["groups"] for rule in group["rules"]]
    mine = [(group, rule) for group, rule in loaded if rule["name"] == alert]
    if not mine:
        raise ActivityFailed(
            f"Prometheus has no alert rule {alert!r}; {nearest(alert, {r['name'] for _, r in loaded})}"
        )
    for group, rule in mine:
        _require_health(server, alert, group, rule)


def _require_health(server: Server, alert: str, group: Mapping[str, Any], rule: Mapping[str, Any]) -> None:
    if rule["health"] != "ok":
        raise ActivityFailed(f"the rule of {alert} is {rule['health']}: {rule.get('lastError') or 'never evaluated'}")
    ago_s = server.now_s - _instant_s(rule["lastEvaluation"])
    limit_s = MISSED_EVALUATIONS_MAX * float(group["interval"])
    if ago_s > limit_s:
        raise ActivityFailed(f"the rule of {alert} was evaluated {ago_s:.1f} s ago; {limit_s:g} s are allowed")


def _instant_s(stamp: str) -> float:
    """Seconds since the epoch of an RFC 3339 stamp, which Prometheus writes with nanoseconds."""
    return datetime.fromisoformat(stamp).timestamp()
