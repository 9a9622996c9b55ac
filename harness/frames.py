"""A run directory as data frames, for notebooks and other people's questions: `harness.open_run(DIR)`.

    run = harness.open_run("reports/latest")
    run.operations.groupby(["track", "outcome"]).size()

Terms. `t_s` is seconds since the load's zero, on CLOCK_MONOTONIC: no time zone, no leap second, and negative before
the load. NaN where the load never started, or where a wall stamp cannot be placed. Columns of the evidence keep the
names of `harness/evidence/format.py`; `*_ns` stay as they are, whole.

Everything is read once, at the opening; a frame is made when it is first asked for. Only frames need pandas, the
extra `data`: manifest, findings and verdict do without. Judging is not done here: findings are those of findings.json.

Not covered: several runs in one frame; `pandas.concat` does it.
"""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.clock import NS_PER_MS, NS_PER_S
from harness.errors import EvidenceError, MissingPartError
from harness.evidence import findings_file
from harness.evidence import run as runs
from harness.evidence.finding import Findings, Verdict
from harness.evidence.format import Kind
from harness.evidence.run import Evidence
from harness.evidence.tables import Columns

if TYPE_CHECKING:
    from os import PathLike

    from pandas import DataFrame


def open_run(run_dir: str | PathLike[str]) -> Run:
    """The run in this directory. EvidenceError where it is no run directory, or its trial still runs."""
    path = Path(run_dir)
    return Run(path, runs.load(path))


class Run:
    """One trial. Frames are made on first use and then kept; change a copy."""

    def __init__(self, run_dir: Path, evidence: Evidence) -> None:
        self.run_dir = run_dir
        self._evidence = evidence

    def __repr__(self) -> str:
        return f"<Run {self.run_dir}>"

    @property
    def manifest(self) -> Mapping[str, Any]:
        """Who, what, with which versions and seed: manifest.json."""
        return self._evidence.manifest

    @property
    def sealed(self) -> bool:
        """Whether the trial came to its end and every file is as it was sealed; `problems` says what is not."""
        return self._evidence.complete and not self._evidence.problems

    @property
    def problems(self) -> tuple[str, ...]:
        """Files that are cut, changed, missing or unreadable, each with what is wrong."""
        return self._evidence.problems

    @functools.cached_property
    def findings(self) -> Findings:
        """The judgement. EvidenceError with the next step where there is none yet."""
        path = self.run_dir / "findings.json"
        if not path.exists():
            raise EvidenceError(f"{self.run_dir}: was not judged yet: run `harness judge {self.run_dir}`")
        return findings_file.read(path)

    @property
    def verdict(self) -> Verdict:
        """PASS, FAIL or INCONCLUSIVE; EvidenceError where the run was not judged."""
        return self.findings.verdict

    @functools.cached_property
    def operations(self) -> DataFrame:
        """One row a request, in the order they were due.

        Added: `t_s`, when it was due; `latency_ms`, from its dispatch to its answer's end, NaN without an answer;
        `track`, stable or canary by the version in the answer, else by the router's log; "unknown" where neither says
        it, and "other" for a version that is neither. A kind whose `waits` is true in `manifest["load"]["kinds"]` has
        somebody else's time in its latency.
        """
        columns = self._evidence.operations
        latency_ms = np.where(columns["status"] > 0, (columns["done_ns"] - columns["sent_ns"]) / NS_PER_MS, np.nan)
        frame = self._frame(columns, self._t_s(columns["intended_ns"]))
        return frame.assign(latency_ms=latency_ms, track=self._tracks())

    @functools.cached_property
    def schedule(self) -> DataFrame:
        """One row a planned request; those after the load's stop were never due. `t_s` is when it was due."""
        columns = self._evidence.schedule
        return self._frame(columns, columns["offset_ns"] / NS_PER_S)

    @functools.cached_property
    def routing(self) -> DataFrame:
        """The router's log, one row a request. `t_s` is when the router had it."""
        columns = self._evidence.routing
        return self._frame(columns, self._t_s(columns["start_ns"], of_wall=True))

    @functools.cached_property
    def metrics(self) -> DataFrame:
        """Every raw sample: `t_s`, `name`, `labels` (JSON text), `value` and the stamp it came with, `wall_ms`."""
        columns = self._evidence.samples
        return self._frame(columns, self._t_s(columns["t_ns"], of_wall=True))

    def metric(self, name: str) -> DataFrame:
        """The raw samples of one metric: `t_s`, `value`, and a column for each of its labels, "" where it has none.

        EvidenceError with the names that there are where there is no such sample.
        """
        names = self._evidence.samples["name"]
        if name not in names:
            raise EvidenceError(f"{self.run_dir}: no sample of {name!r}; there are {', '.join(sorted(set(names)))}")
        chosen = self.metrics[self.metrics["name"] == name]
        parsed = {text: json.loads(text) for text in chosen["labels"].unique()}
        labels = sorted({label for one in parsed.values() for label in one})
        expanded = {label: [parsed[text].get(label, "") for text in chosen["labels"]] for label in labels}
        taken = {"t_s", "value"} & expanded.keys()
        renamed = {f"label_{label}" if label in taken else label: column for label, column in expanded.items()}
        return chosen[["t_s", "value"]].assign(**renamed).reset_index(drop=True)

    @functools.cached_property
    def events(self) -> DataFrame:
        """The timeline of all parts: `t_s`, `t_ns`, `source`, `kind` and `data`, a dict of what the kind has."""
        events = self._evidence.events
        t_ns = np.array([event.t_ns for event in events], dtype=np.int64)
        columns = {
            "t_ns": t_ns,
            "source": np.array([event.source for event in events], dtype=object),
            "kind": np.array([str(event.kind) for event in events], dtype=object),
        }
        return self._frame(columns, self._t_s(t_ns)).assign(data=[dict(event.data) for event in events])

    def _t_s(self, t_ns: np.ndarray[Any, Any], of_wall: bool = False) -> np.ndarray[Any, Any]:
        """Seconds since the load's zero; `of_wall`: instants that came with a wall stamp and were converted."""
        started = self._evidence.of(Kind.LOAD_STARTED)
        if not started or (of_wall and self._evidence.clock.t_ns.size == 0):
            return np.full(t_ns.size, np.nan)
        return np.asarray((t_ns - int(started[0].data["start_ns"])) / NS_PER_S)

    def _tracks(self) -> np.ndarray[Any, Any]:
        versions, said = self.manifest["versions"], self._evidence.operations["version"]
        routing = self._evidence.routing
        cluster_of = dict(zip(routing["op_id"], routing["cluster"], strict=True))
        routed = [cluster_of.get(op_id) or "unknown" for op_id in self._evidence.operations["op_id"]]
        names = {versions["stable"]: "stable", versions["canary"]: "canary"}
        tracks = [
            names.get(version, "other") if version else cluster for version, cluster in zip(said, routed, strict=True)
        ]
        return np.array(tracks, dtype=object)

    @staticmethod
    def _frame(columns: Columns, t_s: np.ndarray[Any, Any]) -> DataFrame:
        """The columns as a frame with `t_s` in front."""
        try:
            pandas = importlib.import_module("pandas")
        except ImportError as error:
            raise MissingPartError(
                "pandas is not installed, and frames need it; install the harness with its extra [data]"
            ) from error
        frame: DataFrame = pandas.DataFrame({"t_s": t_s, **columns})
        return frame
