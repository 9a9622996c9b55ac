"""What a run without a trial says at its end: who answered how much, and how.

Nothing goes to disk. Latencies count from the intended start, so a stalled service shows in them; the
schedule lag says how much of them is the generator's own. Exact quantiles from raw values: an hour at
2,000 requests/s is 7 million of them, 230 MB, the most that a run may have.

A row of the split: requests, share of all in percent, ok, failed, unknown, p50 and p95 in milliseconds.
"""

from __future__ import annotations

from collections import Counter

from harness.drive.load.recorder import Operation, quantile_ms
from harness.evidence.format import Outcome

_NOBODY = "(not said)"
_HEAD = f"{'version':<16}{'requests':>9}{'share %':>9}{'ok':>8}{'failed':>8}{'unknown':>9}{'p50 ms':>10}{'p95 ms':>10}"


class SplitRecorder:
    """A sink in memory. `waiting` are the kinds whose latency says nothing about the service (see OperationKind)."""

    def __init__(self, waiting: frozenset[str] = frozenset()) -> None:
        self._waiting = waiting
        self._outcomes: dict[str, Counter[str]] = {}
        self._latencies_ns: dict[str, list[int]] = {}
        self._lags_ns: list[int] = []
        self._never_sent = 0
        self._failures: list[str] = []

    @property
    def sent_count(self) -> int:
        """Operations that were sent."""
        return len(self._lags_ns)

    def ready(self) -> None:
        """Nothing to prepare."""

    def started(self, start_ns: int) -> None:
        """Nothing to note."""

    def sent(self, intended_ns: int, sent_ns: int) -> None:
        """Keep the lag."""
        self._lags_ns.append(sent_ns - intended_ns)

    def done(self, operation: Operation) -> None:
        """Count by version."""
        if not operation.sent_ns:
            self._never_sent += 1
            return
        version = operation.version or _NOBODY
        self._outcomes.setdefault(version, Counter())[operation.outcome] += 1
        latencies_ns = self._latencies_ns.setdefault(version, [])
        if operation.kind not in self._waiting:
            latencies_ns.append(operation.done_ns - operation.intended_ns)

    def beat(self, second: int | None, in_flight: int) -> None:
        """Nothing to flush."""

    def failed(self, where: str, message: str) -> None:
        """Keep it for the summary."""
        self._failures.append(f"failed in {where}: {message}")

    def stopped(self, dispatched: int, completed: int, in_flight: int, stopped_ns: int) -> None:
        """Nothing to close."""

    def summary(self) -> str:
        """The split as a table, and the generator's own figures under it."""
        total = sum(outcomes.total() for outcomes in self._outcomes.values())
        rows = [self._row(version, total) for version in sorted(self._outcomes)]
        lag = (
            f"schedule lag p50 {quantile_ms(self._lags_ns, 0.5):.1f} ms, p99 {quantile_ms(self._lags_ns, 0.99):.1f} ms"
        )
        counts = f"sent {self.sent_count}, never sent {self._never_sent}"
        without = f", without {', '.join(sorted(self._waiting))}, which waits for others" if self._waiting else ""
        latencies = f"latencies from the intended start{without}"
        return "\n".join((_HEAD, *rows, f"{counts}; {lag}; {latencies}", *self._failures)) + "\n"

    def _row(self, version: str, total: int) -> str:
        outcomes, latencies_ns = self._outcomes[version], self._latencies_ns[version]
        share = 100 * outcomes.total() / total
        ok, failed, unknown = (outcomes[outcome] for outcome in (Outcome.OK, Outcome.FAILED, Outcome.UNKNOWN))
        p50, p95 = quantile_ms(latencies_ns, 0.50), quantile_ms(latencies_ns, 0.95)
        return f"{version:<16}{outcomes.total():>9}{share:>9.1f}{ok:>8}{failed:>8}{unknown:>9}{p50:>10.1f}{p95:>10.1f}"
