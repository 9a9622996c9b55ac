"""Is every acknowledged write there: each row of a ledger is read back, through the service, at the end.

Terms. The *ledger* is a file that whoever sends the writes keeps of those that were acknowledged: JSON lines
(`.jsonl`, `.ndjson`) or CSV with a header (`.csv`), one write a row. A write is *found* when its URL answers 2xx,
*lost* when it answers 404 or 410, and *open* when it answers anything else or nothing: then it is neither.

A service that answers 2xx to whatever is asked would lose nothing ever, so a write that never was is asked for first.

Not covered: whether what is there is what was written, and whether it is there once; the kits of the harness see that.
"""

from __future__ import annotations

import csv
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx
from chaoslib.exceptions import ActivityFailed

from harness import clock
from harness.chaos.plain.asking import checked
from harness.judge.saying import LISTED_MAX, percent
from harness.judge.statistics import rate_detectable

ROWS_MAX: Final = 1_000_000
CONCURRENCY_MAX: Final = 32
NEVER_WRITTEN: Final = "never-written"
_PLACE: Final = re.compile(r"\{(\w*)\}")
_LOST: Final = frozenset({404, 410})
logger = logging.getLogger("chaostoolkit")

Row = Mapping[str, Any]


def no_lost_writes(
    ledger: str,
    read_url: str,
    id_field: str = "id",
    concurrency: int = 8,
    call_s_max: float = 5.0,
    within_s: float = 60.0,
    loss_rate_detectable_max: float = 1.0,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Read every write of the ledger back. Its tolerance: `{type: range, target: lost_count, range: [0, 0]}`.

    `read_url` has the names of the ledger's fields in braces, `http://127.0.0.1:8080/items/{id}`. At most `concurrency`
    reads are under way, each for `call_s_max`, all of them for `within_s` seconds.

    Gives `acked_count`, `found_count`, `lost_count`, `open_count`, `lost_ids` (ten at most) and `loss_rate_detectable`:
    the rate of loss that so many writes would have shown with 95 %. ActivityFailed where nothing can be said: a ledger
    that is empty or cannot be read, writes that stay open while none is lost, too few writes for
    `loss_rate_detectable_max`.
    """
    workers = int(checked("concurrency", concurrency, 1, CONCURRENCY_MAX))
    call_s = checked("call_s_max", call_s_max, 0.01, 60)
    all_s = checked("within_s", within_s, 0.1, 3600)
    rate_max = checked("loss_rate_detectable_max", loss_rate_detectable_max, 0, 1)
    rows = _rows(Path(ledger), id_field)
    _require_template(read_url, id_field, next(iter(rows.values())))
    urls = [_filled(read_url, row) for row in rows.values()]
    with httpx.Client(timeout=call_s, headers=dict(headers or {})) as client:
        _require_absent(client, _filled(read_url, {**next(iter(rows.values())), id_field: NEVER_WRITTEN}))
        answers = _read_all(client, urls, workers, all_s)
    return _counted(list(rows), urls, answers, rate_max)


def _read_all(client: httpx.Client, urls: Sequence[str], workers: int, all_s: float) -> list[int | str]:
    """Status of each URL, or why there is none."""
    give_up_ns = clock.monotonic_ns() + round(all_s * clock.NS_PER_S)

    def read(url: str) -> int | str:
        if clock.monotonic_ns() > give_up_ns:
            return f"not asked within {all_s:g} s"
        try:
            return client.get(url).status_code
        except httpx.HTTPError as error:
            return f"{type(error).__name__}: {error}"

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(read, urls))


def _counted(ids: Sequence[str], urls: Sequence[str], answers: Sequence[int | str], rate_max: float) -> dict[str, Any]:
    lost = [one for one, answer in zip(ids, answers, strict=True) if answer in _LOST]
    still_open = [(url, answer) for url, answer in zip(urls, answers, strict=True) if _is_open(answer)]
    rate = rate_detectable(len(ids))
    if lost:
        logger.error("%d of %d acknowledged writes are lost, among them %s", len(lost), len(ids), lost[:LISTED_MAX])
    elif still_open:
        url, answer = still_open[0]
        raise ActivityFailed(
            f"{len(still_open)} of {len(ids)} writes could not be read back, so they are neither there nor lost; "
            f"GET {url}: {answer}"
        )
    elif rate > rate_max:
        raise ActivityFailed(
            f"none of {len(ids)} writes is lost, but only a loss of {percent(rate)} would have shown with 95 %; "
            f"loss_rate_detectable_max is {percent(rate_max)}: write more"
        )
    else:
        logger.info("none of %d writes is lost; %s would have shown with 95 %%", len(ids), percent(rate))
    return {
        "acked_count": len(ids),
        "found_count": len(ids) - len(lost) - len(still_open),
        "lost_count": len(lost),
        "open_count": len(still_open),
        "lost_ids": lost[:LISTED_MAX],
        "loss_rate_detectable": rate,
    }


def _is_open(answer: int | str) -> bool:
    return isinstance(answer, str) or (answer not in _LOST and not httpx.codes.is_success(answer))


def _require_absent(client: httpx.Client, url: str) -> None:
    """What was never written is not there."""
    try:
        status = client.get(url).status_code
    except httpx.HTTPError as error:
        raise ActivityFailed(f"GET {url}: {type(error).__name__}: {error}; is it up?") from error
    if httpx.codes.is_success(status):
        raise ActivityFailed(f"GET {url}: {status} for a write that never was: reading back by this URL proves nothing")


def _require_template(read_url: str, id_field: str, row: Row) -> None:
    parts = urlsplit(read_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ActivityFailed(f"read_url is {read_url!r}, must look like http://127.0.0.1:8080/items/{{{id_field}}}")
    names = _PLACE.findall(read_url)
    if id_field not in names:
        raise ActivityFailed(f"read_url is {read_url!r} and lacks {{{id_field}}}: it would read one thing only")
    for name in names:
        if name not in row:
            raise ActivityFailed(f"read_url: {{{name}}} is no field of the ledger; fields: {_names(row)}")


def _names(row: Row) -> str:
    return ", ".join(map(str, row))


def _filled(read_url: str, row: Row) -> str:
    return _PLACE.sub(lambda place: quote(str(row.get(place[1], "")), safe=""), read_url)


def _rows(path: Path, id_field: str) -> dict[str, Row]:
    """Identifier -> row, each write once, in the ledger's order."""
    readers: dict[str, Callable[[Iterable[str]], Iterable[Row]]] = {
        ".jsonl": _json_rows,
        ".ndjson": _json_rows,
        ".csv": csv.DictReader,
    }
    if path.suffix not in readers:
        raise ActivityFailed(f"ledger: {path}: must end in {', '.join(readers)}")
    rows: dict[str, Row] = {}
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            for number, row in enumerate(readers[path.suffix](lines), 1):
                identifier = row.get(id_field)
                if identifier in (None, ""):
                    raise ActivityFailed(f"ledger: {path}: row {number} has no {id_field!r}; fields: {_names(row)}")
                rows[str(identifier)] = row
    except (OSError, ValueError, csv.Error) as error:
        raise ActivityFailed(f"ledger: {path}: {error}") from error
    if not 0 < len(rows) <= ROWS_MAX:
        raise ActivityFailed(f"ledger: {path}: has {len(rows)} writes, must have 1 to {ROWS_MAX}: nothing can be said")
    return rows


def _json_rows(lines: Iterable[str]) -> Iterable[Row]:
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from error
        if not isinstance(row, dict):
            raise ValueError(f"line {number}: is {row!r}, must be an object")
        yield row
