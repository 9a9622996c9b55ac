"""Answer scrapes with 404: whoever watches this instance by its metrics is blind. No user sees anything.

Its own count cannot be scraped while it is on; it is there afterwards.
"""

from __future__ import annotations

from porttrack.faults.kinds import FaultArguments, Share


class MetricsGone(FaultArguments, frozen=True, kw_only=True):
    """`share` of the scrapes are answered with 404; all of them where nothing else is said."""

    share: Share = 1.0
