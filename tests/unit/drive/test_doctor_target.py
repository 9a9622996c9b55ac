"""The examination of a target: a read-back that cannot say no proves nothing."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from harness.drive import doctor_target
from harness.drive.doctor_target import Examined
from harness.drive.target.port import Instance, Request, StoredWrite
from harness.errors import DriveError

STABLE = Instance("stable-1", "stable", "http://127.0.0.1:1")
SENT = {"d-0": ("keep", Request("POST", "/notes", "d-0", 0, b"", "hash"))}


class Kit:
    """Gives back these op_ids, or whatever it is asked for."""

    def __init__(self, kept=None, payload_hash="hash"):
        self.kept, self.payload_hash = kept, payload_hash

    def read_back(self, instance, wanted):
        for kind, key in wanted.writes:
            if self.kept is None or key in self.kept:
                yield StoredWrite(key, kind, key, 0, self.payload_hash, "", -1)


def examined(kit):
    return Examined(SimpleNamespace(), SimpleNamespace(instances=(STABLE,)), kit, "d")


def test_writes_that_come_back_and_one_that_does_not():
    """What was sent is there, and what never was is not."""
    assert doctor_target._found_again(examined(Kit({"d-0"})), SENT) is None


@pytest.mark.parametrize(
    ("kit", "says"),
    [
        (Kit(None), r"keep: d-1000001 was never sent and is read back"),
        (Kit(set()), r"POST /notes \(d-0\) was acknowledged and is not read back"),
        (Kit({"d-0"}, "other"), r"POST /notes \(d-0\) comes back with other content than was sent"),
    ],
)
def test_a_read_back_that_is_wrong_is_named(kit, says):
    """It finds everything, nothing, or something else."""
    with pytest.raises(DriveError, match=says):
        doctor_target._found_again(examined(kit), SENT)
