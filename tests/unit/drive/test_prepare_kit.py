"""A kit that is a file: found beside its target, refused where it could prove nothing, shown without secrets."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness import settings
from harness.drive import dry_run, manifest
from harness.drive import target as targets
from harness.drive.prepare import prepare
from harness.drive.target.port import Instance
from harness.errors import UsageError
from harness.plan.target import Versions
from sidecar.service import FAULTS

EXPERIMENTS = Path(__file__).parents[3] / "experiments"
KIT = """\
name: notes
start: [serve, --port, "{port}", --release, "{version}", --data, "{data_dir}"]
env: {DATABASE_URL: "postgres://app:s3cr3t@127.0.0.1/notes"}
ready: /health
operations:
  keep: {method: POST, path: /notes, share: 1, body: {id: "{op_id}"}, headers: {authorization: Bearer s3cr3t},
         read_back: {path: "/notes/{op_id}"}}
profiles: {M: {rate_rps: 60, users: 60}}
"""


@pytest.fixture
def prepared(tmp_path):
    """Prepares the demo for the notes with so many instances of stable."""

    def make(stable_instances, fault="http_5xx", plant=""):
        (tmp_path / "targets").mkdir()
        (tmp_path / "notes.kit.yaml").write_text(KIT)
        text = (EXPERIMENTS / "targets" / "local.yaml").read_text()
        text = text.replace("kit: porttrack", "kit: ../notes.kit.yaml")
        text = text.replace("stable_instances: 2", f"stable_instances: {stable_instances}")
        (tmp_path / "targets" / "local.yaml").write_text(text)
        drill = (EXPERIMENTS / "canary-5xx.yaml").read_text().replace("fault: http_5xx", f"fault: {fault}")
        (tmp_path / "drill.yaml").write_text(drill)
        return prepare(settings.load({"plant": plant}, {"PATH": os.environ["PATH"]}), tmp_path / "drill.yaml")

    return make


def test_a_kit_file_is_found_from_its_target(prepared, tmp_path):
    """The load process gets its absolute path."""
    assert str(tmp_path / "notes.kit.yaml") == prepared(2).target.kit


def test_two_reads_through_one_instance_are_refused(prepared):
    """Without the store a second instance is the second witness."""
    with pytest.raises(UsageError, match=r"stable_instances is 1: kit 'notes' reaches no store.*make it 2"):
        prepared(1)


def test_what_only_the_service_could_do_is_refused(prepared):
    """A sidecar answers in the service's place and waits; it cannot make it lie."""
    assert FAULTS == targets.SIDECAR_FAULTS
    with pytest.raises(UsageError, match=r"'ack_not_stored' is one that a service does by itself.*http_5xx, latency"):
        prepared(2, fault="ack_not_stored")


@pytest.mark.parametrize("plant", ["canary_loses_writes", "canary_applies_twice", "fault_never_lands"])
def test_a_defect_of_porttrack_is_planted_in_no_other_service(prepared, plant):
    """It is refused before anything is started, with some that work with any service."""
    with pytest.raises(UsageError, match=r"breaks the code of PortTrack.*router_unchanged"):
        dry_run.describe(prepared(2, plant=plant))


def test_a_defect_of_the_stack_is_planted_around_any_service(prepared):
    """What breaks the router's controller does not look at what is behind."""
    lines, _ = dry_run.describe(prepared(2, plant="router_unchanged"))
    assert any("planted defect: router_unchanged" in line for line in lines)


def test_secrets_of_a_kit_file_stay_out_of_the_manifest(prepared):
    """Values of variables and headers are hidden, the rest is there, with the file's hash."""
    told = manifest.kit_of(prepared(2))
    assert "s3cr3t" not in json.dumps(told)
    assert {"DATABASE_URL": "***"} == told["document"]["env"]
    assert "/notes" == told["document"]["operations"]["keep"]["path"]
    assert (64, True) == (len(told["sha256"]), told["data_goes_with_trial"])


@dataclass
class Says:
    """A kit whose instances say these versions."""

    versions: dict

    def identify(self, instance):
        return self.versions[instance.name]


@pytest.mark.parametrize(
    ("canary", "says"),
    [("2", ""), ("1", "canary-1 says it is '1', `versions` of the target says '2': mend one of them")],
)
def test_an_instance_of_another_version_is_refused(canary, says):
    """A canary that is stable's version once more would be a release drilled against itself."""
    instances = (Instance("stable-1", "stable", ""), Instance("canary-1", "canary", ""))
    kit = Says({"stable-1": "1", "canary-1": canary})
    if not says:
        assert kit.versions == targets.identities(kit, instances, Versions("1", "2"))
        return
    with pytest.raises(UsageError) as refused:
        targets.identities(kit, instances, Versions("1", "2"))
    assert says == str(refused.value)


def test_durability_is_claimed_of_our_own_store_only(prepared):
    """Nobody knows how a service of somebody else's keeps its data."""
    found = prepared(2)
    assert not found.kit.needs_postgres
    assert {} == manifest.durability_of(found.kit)
    assert "on" == manifest.durability_of(SimpleNamespace(needs_postgres=True))["fsync"]
