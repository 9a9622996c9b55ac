"""A kit that is a file (harness.plan.kit): an HTTP service behind a sidecar, without code of its own for the drill.

What it cannot do, it says: it does not reach the store (`has_store` is False), so every write is looked for through
stable alone, and the service's data goes with the trial's folder instead of being purged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from harness.drive.target.port import (
    Broken,
    Instance,
    LoadKit,
    OperationKind,
    Place,
    ProcessSpec,
    Profile,
    Quiescence,
    ReadBackWanted,
    Request,
    StoredWrite,
)
from harness.errors import DriveError
from harness.plan.kit import KitFile, Operation, ReadBack

if TYPE_CHECKING:
    import httpx

CALL_S_MAX: Final = 5.0
READS_AT_ONCE: Final = 6
STOP_S_MAX: Final = 15.0  # what is in flight has 8 s, the service itself 5 s
JSON_HEADERS: Final = {"content-type": "application/json"}


class DeclaredKit:
    """TargetKit and LoadKit of one kit file. `folder` is the file's; `start` is run there."""

    needs_postgres = False
    has_sidecar = True
    has_store = False

    def __init__(self, file: KitFile, folder: Path, control_token: str = "") -> None:
        self.name = file.name
        self.file = file
        self._folder = folder
        self._control_token = control_token
        kinds = tuple(OperationKind(name, one.share, one.is_write) for name, one in file.operations.items())
        self.profiles: Mapping[str, Profile] = {
            name: Profile(name, one.rate_rps, one.users, kinds) for name, one in file.profiles.items()
        }

    # -- the stack ------------------------------------------------------------------------------------------------

    def local_processes(self, place: Place) -> tuple[ProcessSpec, ...]:
        """A sidecar an instance, which starts the service behind it."""
        return tuple(self._instance(place, one) for one in place.instances)

    def _instance(self, place: Place, one: Instance) -> ProcessSpec:
        words = {
            "port": str(place.upstream_ports[one.name]),
            "version": place.releases[one.track],
            "instance": one.name,
            "track": one.track,
            "data_dir": place.data_dir,
            "python": place.python,
        }
        ports = (_port(one.url), _port(one.control_url), place.upstream_ports[one.name])
        options = ("--name", one.name, "--version", words["version"], "--ready", self.file.ready)
        numbers = zip(("--port", "--control-port", "--upstream-port"), map(str, ports), strict=True)
        return ProcessSpec(
            name=one.name,
            argv=(
                *(place.python, "-P", "-m", "sidecar", *options, *(part for pair in numbers for part in pair)),
                *("--", *(filled(part, words) for part in self.file.start)),
            ),
            env={
                **{name: filled(value, words) for name, value in self.file.env.items()},
                "SIDECAR_CONTROL_TOKEN": place.control_token,
            },
            cwd=str(self._folder),
            ports=ports,
            ready_url=f"{one.url}{self.file.ready}",
            stop_s_max=STOP_S_MAX,
        )

    # -- the load -------------------------------------------------------------------------------------------------

    def build_load(self, profile: Profile, seed: int) -> LoadKit:
        """Needs no state: a request follows from its index."""
        return self

    def request(self, index: int, kind: str, offset_s: float, op_id: str) -> Request:
        """The operation with its words filled in; a write's key is its op_id, so no two writes share one."""
        operation = self.file.operations[kind]
        words = {"index": str(index), "op_id": op_id, "run_id": _run_of(op_id)}
        body = _filled_body(operation.body, words)
        return Request(
            method=operation.method,
            path=filled_path(operation.path, words),
            key=op_id if operation.is_write else "",
            seq=index if operation.is_write else -1,
            body=b"" if body is None else json.dumps(body).encode(),
            payload_hash=_hash_of(body or {}, _compared(operation)) if operation.is_write else "",
            headers={
                **({} if body is None else JSON_HEADERS),
                **{name: filled(value, words) for name, value in operation.headers.items()},
            },
        )

    # -- the end --------------------------------------------------------------------------------------------------

    def identify(self, instance: Instance) -> str:
        """What the service itself says where the file names a place for it, else what it was started as."""
        with _client() as client:
            if self.file.version is None:
                answer = _asked(client, f"{instance.url}{self.file.ready}")
                return str(answer.headers.get("x-service-version", ""))
            said = _asked(client, f"{instance.url}{self.file.version.path}")
            return str(_at(_json(said), self.file.version.field, said.url))

    def read_back(self, instance: Instance, wanted: ReadBackWanted) -> Iterator[StoredWrite]:
        """One by one, or all of the run at once, as the file says of each kind."""
        with _client() as client:
            for kind, operation in self.file.operations.items():
                if operation.read_back is None:
                    continue
                if operation.read_back.is_one_by_one:
                    op_ids = [key for one, key in wanted.writes if one == kind]
                    yield from self._each(client, instance, kind, operation, op_ids)
                else:
                    yield from self._all(client, instance, kind, operation, wanted)

    def _each(
        self, client: httpx.Client, instance: Instance, kind: str, operation: Operation, op_ids: Sequence[str]
    ) -> Iterator[StoredWrite]:
        how = _how(operation)

        def ask(op_id: str) -> list[StoredWrite]:
            words = {"op_id": op_id, "run_id": _run_of(op_id), "index": op_id.rpartition("-")[2]}
            answer = _asked(client, f"{instance.url}{filled_path(how.path, words)}", (200, 404))
            if answer.status_code == 404:
                return []
            found = _at(_json(answer), how.items, answer.url)
            rows = found if isinstance(found, list) else [found]  # a search gives a list, which may be empty
            return [_stored(kind, operation, row, op_id, str(answer.url)) for row in rows]

        # A service that writes its answer in two parts takes 40 ms for each (Nagle waits for a delayed ACK).
        with ThreadPoolExecutor(READS_AT_ONCE, thread_name_prefix="read-back") as pool:
            for rows in pool.map(ask, op_ids):
                yield from rows

    def _all(
        self, client: httpx.Client, instance: Instance, kind: str, operation: Operation, wanted: ReadBackWanted
    ) -> Iterator[StoredWrite]:
        how = _how(operation)
        answer = _asked(client, f"{instance.url}{filled_path(how.path, {'run_id': wanted.run_id})}")
        rows = _at(_json(answer), how.items, answer.url)
        if not isinstance(rows, list):
            raise DriveError(f"GET {answer.url}: {how.items or 'the answer'} is {type(rows).__name__}, wanted a list")
        kinds = {key: one for one, key in wanted.writes}  # one list may hold the writes of several kinds
        for row in rows:
            op_id = str(_at(row, how.id, answer.url))
            if op_id.startswith(f"{wanted.run_id}-") and kinds.get(op_id, kind) == kind:
                yield _stored(kind, operation, row, op_id, str(answer.url))

    def quiesce(self, instances: Sequence[Instance], store_dsn: str) -> Quiescence:
        """What the sidecars have in flight; transactions are the service's own affair."""
        headers = {"authorization": f"Bearer {self._control_token}"}
        with _client(headers) as client:
            looks = {one.name: _json(_asked(client, f"{one.control_url}/in-flight")) for one in instances}
        return Quiescence({name: int(look["in_flight"]) for name, look in looks.items()}, open_transactions=0)

    # -- the store, which is out of reach: nobody asks while `has_store` is False ----------------------------------

    def store_scan(self, store_dsn: str, run_id: str) -> Iterator[StoredWrite]:
        """DriveError."""
        raise DriveError(f"kit {self.name!r} cannot reach the store")

    def invariants(self, store_dsn: str, run_id: str) -> Iterator[Broken]:
        """It knows none."""
        return iter(())

    def purge(self, store_dsn: str, run_id: str) -> int:
        """DriveError."""
        raise DriveError(f"kit {self.name!r} cannot reach the store")

    def count_rows(self, store_dsn: str, run_id: str) -> int:
        """DriveError."""
        raise DriveError(f"kit {self.name!r} cannot reach the store")


def filled(text: str, words: Mapping[str, str]) -> str:
    """`text` with each {word} of `words` in its place; other braces stay."""
    for word, value in words.items():
        text = text.replace(f"{{{word}}}", value)
    return text


def filled_path(path: str, words: Mapping[str, str]) -> str:
    """The same for a path, quoted."""
    return filled(path, {word: quote(value, safe="") for word, value in words.items()})


def _filled_body(value: Any, words: Mapping[str, str]) -> Any:
    """A body with its words filled in; a text that is nothing but {index} becomes a number."""
    if value == "{index}":
        return int(words["index"])
    if isinstance(value, str):
        return filled(value, words)
    if isinstance(value, Mapping):
        return {name: _filled_body(inner, words) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_filled_body(inner, words) for inner in value]
    return value


def _run_of(op_id: str) -> str:
    return op_id.rpartition("-")[0]


def _how(operation: Operation) -> ReadBack:
    assert operation.read_back is not None, "the file was checked: a write says how it is read back"
    return operation.read_back


def _compared(operation: Operation) -> tuple[str, ...]:
    return _how(operation).compare or tuple(operation.body or ())


def _hash_of(content: Mapping[str, Any], fields: Sequence[str]) -> str:
    """Of the compared fields by name; one that is not there counts as null."""
    chosen = {name: _plain(content.get(name)) for name in fields}
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """With whole numbers as integers: JSON has one kind of number, and many a service gives 10 for 10.0."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def _stored(kind: str, operation: Operation, row: Any, op_id: str, url: str) -> StoredWrite:
    if not isinstance(row, Mapping):
        raise DriveError(f"GET {url}: found {row!r}, wanted an object with the fields of the write")
    how = _how(operation)
    found_id = str(_at(row, how.id, url)) if how.id else op_id
    index = found_id.rpartition("-")[2]
    return StoredWrite(
        op_id=found_id,
        kind=kind,
        key=found_id,
        seq=int(index) if index.isdigit() else -1,
        payload_hash=_hash_of(row, _compared(operation)),
        written_by="",
        position=-1,  # nothing says in which order the service stored them
    )


def _at(value: Any, place: str, url: object) -> Any:
    """The part of a JSON answer at a dotted place; the whole where the place is empty."""
    for step in filter(None, place.split(".")):
        if not isinstance(value, Mapping) or step not in value:
            raise DriveError(f"GET {url}: the answer has no {place!r}; it is {json.dumps(value)[:200]}")
        value = value[step]
    return value


def _client(headers: Mapping[str, str] | None = None) -> httpx.Client:
    import httpx  # the load process sends by other means and needs no second client

    return httpx.Client(timeout=CALL_S_MAX, trust_env=False, headers=dict(headers or {}))


def _asked(client: httpx.Client, url: str, wanted: tuple[int, ...] = (200,)) -> httpx.Response:
    import httpx

    try:
        answer = client.get(url)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DriveError(f"GET {url}: {type(error).__name__}: {error}; is the instance up? see logs/") from error
    if answer.status_code not in wanted:
        raise DriveError(f"GET {url}: {answer.status_code} {answer.text[:200].strip()}; wanted {wanted[0]}")
    return answer


def _json(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError as error:
        raise DriveError(f"GET {answer.url}: no JSON: {answer.text[:200]!r}") from error


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None, url
    return port
