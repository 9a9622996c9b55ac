"""Reading a ledger back from a real HTTP service: green, red, and where nothing can be said."""

from __future__ import annotations

import csv
import json

import pytest
from chaoslib.exceptions import ActivityFailed

from harness.chaos.plain import no_lost_writes
from harness.judge.statistics import rate_detectable

pytestmark = pytest.mark.integration


@pytest.fixture(name="ledger")
def _ledger(tmp_path):
    """A ledger of the writes 0 to 99, as a file of JSON lines."""
    path = tmp_path / "acked.jsonl"
    path.write_text("".join(json.dumps({"id": index, "kind": "item"}) + "\n" for index in range(100)))
    return str(path)


def test_every_write_is_there(items, ledger):
    """A hundred of a hundred are found, each asked for once, and the rate says what that is worth."""
    found = no_lost_writes(ledger, f"{items.url}/items/{{id}}")
    expected = {"acked_count": 100, "found_count": 100, "lost_count": 0, "open_count": 0, "lost_ids": []}
    assert {**expected, "loss_rate_detectable": rate_detectable(100)} == found
    assert ["/items/never-written", *sorted(f"/items/{index}" for index in range(100))] == [
        items.asked[0],
        *sorted(items.asked[1:]),
    ]


def test_lost_write_is_named(items, ledger):
    """One that is not there is lost, and a second one that cannot be read does not hide it."""
    items.stored.remove("42")
    items.broken.add("7")
    found = no_lost_writes(ledger, f"{items.url}/items/{{id}}")
    assert (100, 98, 1, 1) == tuple(found[f"{name}_count"] for name in ("acked", "found", "lost", "open"))
    assert ["42"] == found["lost_ids"]


def test_write_that_cannot_be_read_is_neither(items, ledger):
    """An error of the service is no loss and no proof."""
    items.broken.add("7")
    with pytest.raises(ActivityFailed, match=r"1 of 100 writes could not be read back.*/items/7: 503"):
        no_lost_writes(ledger, f"{items.url}/items/{{id}}")


def test_service_that_answers_to_anything_proves_nothing(items, ledger):
    """A page that is there for every address would lose nothing ever."""
    items.catches_all = True
    with pytest.raises(ActivityFailed, match=r"never-written: 200 for a write that never was"):
        no_lost_writes(ledger, f"{items.url}/items/{{id}}")


def test_service_that_is_down_is_named(items, ledger):
    """Nobody listens: that is said before a hundred reads are tried."""
    with pytest.raises(ActivityFailed, match=r"GET http://127\.0\.0\.1:1/items/never-written: ConnectError.*is it up"):
        no_lost_writes(ledger, "http://127.0.0.1:1/items/{id}")


def test_too_few_writes_prove_too_little(items, ledger):
    """A hundred writes exclude 3 % and no less; both sides of the bound."""
    assert 0 == no_lost_writes(ledger, f"{items.url}/items/{{id}}", loss_rate_detectable_max=0.03)["lost_count"]
    with pytest.raises(ActivityFailed, match=r"only a loss of 3\.0 % would have shown .* is 2\.9 %: write more"):
        no_lost_writes(ledger, f"{items.url}/items/{{id}}", loss_rate_detectable_max=0.029)


def test_reads_are_bounded(items, ledger):
    """No more reads at once than allowed, and what is not asked in time is open."""
    items.hold_s = 0.01
    no_lost_writes(ledger, f"{items.url}/items/{{id}}", concurrency=2)
    assert 2 == items.at_once_max
    no_lost_writes(ledger, f"{items.url}/items/{{id}}", concurrency=6)
    assert 2 < items.at_once_max <= 6
    with pytest.raises(ActivityFailed, match=r"of 1000 writes could not .* not asked within 0\.1 s"):
        no_lost_writes(_many(ledger, items), f"{items.url}/items/{{id}}", concurrency=1, within_s=0.1)


def _many(ledger, items):
    """The same with a thousand writes, which one reader does not get through in a tenth of a second."""
    items.stored.update(str(index) for index in range(1000))
    path = ledger.replace("acked", "many")
    with open(path, "w") as file:
        file.writelines(json.dumps({"id": index}) + "\n" for index in range(1000))
    return path


def test_csv_and_other_fields(items, tmp_path):
    """A CSV ledger, an identifier of another name, a second field in the address, quoted; a write twice counts once."""
    items.stored = {"a%2Fb/berth%201"}
    path = tmp_path / "acked.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["key", "place"], ["a/b", "berth 1"], ["a/b", "berth 1"]])
    found = no_lost_writes(str(path), f"{items.url}/items/{{key}}/{{place}}", id_field="key")
    assert (1, 1) == (found["acked_count"], found["found_count"])
    assert "/items/never-written/berth%201" == items.asked[0]
