"""Who was hurt: requests and distinct users that got a bad answer, and whose acknowledged writes are gone.

Terms. A *bad answer* is a request that was sent and is not ok; it is *because of the canary* when the canary gave it.
An answer was *spoilt* when it is ok and carries the injector's mark: it came, late or otherwise worse. A *user* is one
of the load's. A write is *gone* when it was acknowledged and a whole final read lacks it.

These are counts, not verdicts; the checks `requests` and `data_loss` judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.evidence.format import Outcome
from harness.evidence.run import Evidence
from harness.report import series

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Count:
    """Requests, and the distinct users who sent them."""

    requests: int
    users: int


@dataclass(frozen=True, slots=True)
class Impact:
    """The counts of a trial; `everybody` is all that was sent."""

    everybody: Count
    by_canary: Count
    spoilt_by_canary: Count
    by_stable: Count
    by_nobody: Count
    gone: Count

    @property
    def sentence(self) -> str:
        """What a reader needs to know first, in one or two sentences."""
        if not self.everybody.requests:
            return "No request was recorded, so nobody knows who was hurt."
        whole = (
            f"of {_number(self.everybody.requests, 'request')} by {_number(self.everybody.users, 'user')} of the load"
        )
        said = [f"{_told(self.by_canary)} got a bad answer from the canary, {whole}."]
        if self.spoilt_by_canary.requests:
            said.append(f"{_told(self.spoilt_by_canary)} got a late or otherwise spoilt answer from it.")
        said.append(f"From stable {_told(self.by_stable).lower()} did.")
        if self.by_nobody.requests:
            said.append(f"{_told(self.by_nobody)} got none, or a bad one of which nobody knows who gave it.")
        if self.gone.requests:
            said.append(
                f"{_number(self.gone.requests, 'acknowledged write')} of {_users(self.gone)} "
                f"{'is' if self.gone.requests == 1 else 'are'} gone."
            )
        return " ".join(said)


def impact(evidence: Evidence, gone: Array) -> Impact:
    """The counts of a trial; `gone` is the ledger's."""
    operations, tracks = evidence.operations, series.tracks(evidence)
    sent = operations["sent_ns"] > 0
    bad = sent & (operations["outcome"] != Outcome.OK)
    spoilt = sent & ~bad & (operations["fault_mark"] != "")
    return Impact(
        everybody=_count(evidence, sent),
        by_canary=_count(evidence, bad & (tracks == "canary")),
        spoilt_by_canary=_count(evidence, spoilt & (tracks == "canary")),
        by_stable=_count(evidence, bad & (tracks == "stable")),
        by_nobody=_count(evidence, bad & (tracks == "unknown")),
        gone=_count(evidence, gone),
    )


def _count(evidence: Evidence, chosen: Array) -> Count:
    return Count(int(chosen.sum()), int(np.unique(evidence.operations["user"][chosen]).size))


def _told(count: Count) -> str:
    if not count.requests:
        return "No request"
    return f"{_number(count.requests, 'request')} of {_users(count)}"


def _users(count: Count) -> str:
    return _number(count.users, "distinct user" if count.users != 1 else "user")


def _number(count: int, name: str) -> str:
    return f"{count:,} {name}{'' if count == 1 else 's'}"
