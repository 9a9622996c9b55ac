"""Reports folders of the study's tests: literal histories, judged for real, of which manifest and findings are kept."""

import json
from functools import cache
from pathlib import Path

import pytest

from harness.evidence import findings_file
from harness.judge import judge
from harness.testing import histories as h


@cache
def judged(kind):
    """(evidence, findings) of a literal trial by its name."""
    made = {
        "passing": h.passing,
        "promoted": h.promoted,
        "held": h.held,
        # An acknowledged write that is not in the store, and an alert that came later than is allowed.
        "lost": lambda: h.dropped(h.passing(), "store", lambda row: row["op_id"] == h.op_id(160)),
        "late": lambda: h.with_expect(h.passing(), detect_s_max=1.0),
        "cut": lambda: h.without_events(h.passing(), "load_started"),
    }[kind]()
    return made, judge(made)


class Reports:
    """A folder with run directories: `add` makes one, each a minute after the one before."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0

    def add(self, kind="passing", findings=True, **manifest):
        """A run directory's name. `manifest` changes the manifest; `findings` may be None, or other findings."""
        self.count += 1
        evidence, found = judged(kind)
        stamp = f"202601{self.count // 1440 + 1:02d}T{self.count // 60 % 24:02d}{self.count % 60:02d}00Z"
        run_id = f"{stamp.lower()}-{self.count:06x}"
        slug = manifest.pop("slug", evidence.manifest["experiment"]["slug"])
        name = f"{stamp}-{slug}-{self.count:06x}"
        document = {
            **evidence.manifest,
            "run_id": run_id,
            "opened_utc": stamp,
            "experiment": {**evidence.manifest["experiment"], "slug": slug},
            **manifest,
        }
        (self.path / name).mkdir()
        (self.path / name / "manifest.json").write_text(json.dumps(document))
        if findings:
            written = json.loads(findings_file.encode(found))
            (self.path / name / "findings.json").write_text(json.dumps({**written, "run_id": run_id}))
        return name


@pytest.fixture
def reports(tmp_path):
    """An empty reports folder."""
    return Reports(tmp_path)


@pytest.fixture(scope="session")
def findings_of():
    """The judge's findings of a literal trial by its name."""
    return lambda kind: judged(kind)[1]
