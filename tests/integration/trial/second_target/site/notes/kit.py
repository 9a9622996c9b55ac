"""The kit of notes: the whole of what the harness is told about it."""

import hashlib
import os
from types import MappingProxyType
from urllib.parse import urlsplit

from harness.drive.target.port import (
    STORE,
    DriveError,
    OperationKind,
    ProcessSpec,
    Profile,
    Quiescence,
    Request,
    StoredWrite,
)

CALL_S_MAX = 5.0
WRITE = "keep_note"
MIX = (OperationKind(WRITE, 0.5, writes=True), OperationKind("list_notes", 0.5, writes=False))


class NotesKit:
    """TargetKit and LoadKit of notes."""

    name = "notes"
    needs_postgres = False
    has_sidecar = False
    has_store = True
    profiles = MappingProxyType({"M": Profile("M", 120.0, 120, MIX)})

    def __init__(self, control_token=""):
        self.headers = {"authorization": f"Bearer {control_token}"}

    def local_processes(self, place):
        """The store on its port, and the instances after it."""
        environment = {"NOTES_STORE": place.store_dsn, "NOTES_TOKEN": place.control_token}
        store_port = urlsplit(place.store_dsn).port
        store = ProcessSpec(
            STORE,
            (place.python, "-m", "notes.store", str(store_port)),
            ports=(store_port,),
            ready_url=f"{place.store_dsn}/health",
        )
        return (store, *(self.instance(place, one, environment) for one in place.instances))

    def instance(self, place, one, environment):
        """One process."""
        ports = (urlsplit(one.url).port, urlsplit(one.control_url).port)
        if one.track == "canary":
            environment = {**environment, "NOTES_LOSES": os.environ.get("NOTES_CANARY_LOSES", "0")}
        argv = (place.python, "-m", "notes.service", one.name, place.releases[one.track], *map(str, ports))
        return ProcessSpec(one.name, argv, environment, ports=ports, ready_url=f"{one.url}/health", after=(STORE,))

    def build_load(self, profile, seed):
        """Needs no state: a request follows from its index."""
        return self

    def request(self, index, kind, offset_s, op_id):
        """A note in one of twenty books, or the notes of a run that is none."""
        if kind != WRITE:
            return Request("GET", "/notes?run=nobody")
        book, text = f"book-{index % 20}", f"note {index}"
        body = f'{{"book": "{book}", "seq": {index}, "text": "{text}"}}'.encode()
        headers = {"content-type": "application/json"}
        return Request("POST", "/notes", book, index, body, hash_of(book, index, text), headers)

    def identify(self, instance):
        """The version in /health."""
        return self.call("GET", f"{instance.url}/health")["version"]

    def read_back(self, instance, wanted):
        """All of the run's, through the service."""
        return map(stored, self.call("GET", f"{instance.url}/notes?run={wanted.run_id}"))

    def store_scan(self, store_dsn, run_id):
        """All of the run's, from the store."""
        return map(stored, self.call("GET", f"{store_dsn}/rows?run={run_id}"))

    def invariants(self, store_dsn, run_id):
        """Notes know none."""
        return iter(())

    def quiesce(self, instances, store_dsn):
        """The store answers when it has written, so what is in flight is in flight at an instance."""
        looks = {one.name: self.call("GET", f"{one.control_url}/in-flight") for one in instances}
        return Quiescence({name: look["in_flight"] for name, look in looks.items()}, open_transactions=0)

    def purge(self, store_dsn, run_id):
        """Take them out; how many are left."""
        self.call("DELETE", f"{store_dsn}/rows?run={run_id}")
        return self.count_rows(store_dsn, run_id)

    def count_rows(self, store_dsn, run_id):
        """How many there are."""
        return len(self.call("GET", f"{store_dsn}/rows?run={run_id}"))

    def call(self, method, url):
        """The answer's JSON; DriveError for any other."""
        import httpx  # the load process sends by other means

        try:
            answer = httpx.request(method, url, headers=self.headers, timeout=CALL_S_MAX, trust_env=False)
            return answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            raise DriveError(f"{method} {url}: {error}") from error


def stored(row):
    """A row of the store as the judge compares it."""
    found = hash_of(row["book"], row["seq"], row["text"])
    return StoredWrite(row["op_id"], WRITE, row["book"], row["seq"], found, row["written_by"], row["position"])


def hash_of(book, seq, text):
    """The hash of a note's content."""
    return hashlib.sha256(f"{book}/{seq}/{text}".encode()).hexdigest()
