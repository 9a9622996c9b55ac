"""A kit as a file: what a simple HTTP service's drill needs to know of it, without a line of code.

    name: notes
    start: [python, notes.py, --port, "{port}", --release, "{version}", --data, "{data_dir}"]
    ready: /health
    version: {path: /health, field: version}
    operations:
      keep:
        {method: POST, path: /notes, share: 0.4, body: {id: "{op_id}", text: "note {index}"},
         read_back: {path: "/notes/{op_id}"}}
      look: {method: GET, path: "/notes?limit=20", share: 0.6}
    profiles:
      M: {rate_rps: 60, users: 60}

`start` is run in the file's folder, once an instance; every instance must see the same data, which lies in
`{data_dir}`, a folder of the trial. A write carries `{op_id}`, and by it the service must be able to give it back:

    read_back: {path: "/notes/{op_id}"}                         one read a write; 404: it is not there
    read_back: {path: "/notes?run={run_id}", items: notes, id: id}     one read for all; `items`: the list in the answer

`compare` names the fields of the body that must come back unchanged (all that stand at its top, if not given).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

import msgspec

from harness.plan.validate import Problems, convert, nearest

PROCESS_WORDS = ("port", "version", "instance", "track", "data_dir", "python")
REQUEST_WORDS = ("op_id", "index", "run_id")
_WORD = re.compile(r"\{([a-z_]*)\}")
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_SHARES_OFF_MAX = 1e-6

Path = Annotated[str, msgspec.Meta(pattern="^/[!-~]*$")]  # printable ASCII; anything else is to be quoted
METRICS_PATH = "/metrics"
OP_ID_HEADER = "x-request-id"
_HEADER = re.compile(r"^[\x20-\x7e]*$")


class ReadBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a write is looked for. With {op_id} in `path` one by one, else all at once, told apart by the field `id`."""

    path: Path
    items: str = ""  # where the list (or the one object) stands in the answer, dotted; the answer itself when empty
    id: str = ""  # the field that holds the op_id
    compare: tuple[str, ...] = ()

    @property
    def is_one_by_one(self) -> bool:
        """Whether each write has a read of its own."""
        return "{op_id}" in self.path


class Operation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One kind of request; `share` is its part of the mix. It writes if its method can, unless `writes` says no."""

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    path: Path
    share: Annotated[float, msgspec.Meta(gt=0, le=1)]
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = {}
    writes: bool | None = None
    read_back: ReadBack | None = None

    @property
    def is_write(self) -> bool:
        """Whether it must be found again."""
        return self.method not in _READS if self.writes is None else self.writes


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A size of load."""

    rate_rps: Annotated[float, msgspec.Meta(gt=0, le=1000)]
    users: Annotated[int, msgspec.Meta(ge=1, le=10_000)]


class Version(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an instance says which version it is: a field of a JSON answer, dotted."""

    path: Path
    field: str


class KitFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One service."""

    name: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_-]{0,39}$")]
    start: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    ready: Path
    operations: Mapping[str, Operation]
    profiles: Mapping[str, Profile]
    env: Mapping[str, str] = {}
    version: Version | None = None

    @property
    def keeps_its_data_here(self) -> bool:
        """Whether the service is told the trial's own folder, so that its data goes with it."""
        return any("{data_dir}" in text for text in (*self.start, *self.env.values()))


def parse(document: object, path: str, lines: Mapping[str, int]) -> tuple[KitFile | None, Problems]:
    """Check a loaded kit file. None when `problems.found` is not empty."""
    problems = Problems(path, lines)
    kit = convert(KitFile, document, "", problems)
    if kit is None:
        return None, problems
    _check_words(kit, problems)
    _check_paths(kit, problems)
    _check_mix(kit, problems)
    for name, operation in kit.operations.items():
        _check_write(name, operation, problems)
    if not kit.profiles:
        problems.add("profiles", "is empty: name one at least, such as M: {rate_rps: 60, users: 60}")
    return (None if problems.found else kit), problems


def texts(value: object) -> Iterator[str]:
    """Every text in a body, keys aside."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)


def _check_words(kit: KitFile, problems: Problems) -> None:
    given = (*kit.start, *kit.env.values())
    for text in given:
        _check_text(text, PROCESS_WORDS, "start" if text in kit.start else "env", problems)
    if not any("{port}" in text for text in given):
        problems.add("start", "has no {port}: the service must listen on the port that it is given")
    if not any(word in text for text in given for word in ("{version}", "{track}")):
        problems.add("start", "has neither {version} nor {track}: stable and canary would be one program")
    for name, operation in kit.operations.items():
        path = (operation.read_back.path,) if operation.read_back else ()
        for text in (operation.path, *path, *operation.headers.values(), *texts(operation.body)):
            _check_text(text, REQUEST_WORDS, f"operations.{name}", problems)


def _check_paths(kit: KitFile, problems: Problems) -> None:
    """The sidecar neither counts nor breaks what it answers itself, nor what says whether the service is ready."""
    if "?" in kit.ready or "{" in kit.ready or kit.ready == METRICS_PATH:
        problems.add("ready", f"is {kit.ready!r}: must be a plain path, without a query, and not {METRICS_PATH}")
    for name, operation in kit.operations.items():
        if operation.path.partition("?")[0] in (kit.ready, METRICS_PATH):
            what = f"is {operation.path!r}: no fault hits `ready` and {METRICS_PATH}, and nobody counts them"
            problems.add(f"operations.{name}.path", what)
        for header, value in operation.headers.items():
            if header.lower() == OP_ID_HEADER:
                problems.add(f"operations.{name}.headers", f"{header} is the load's own: it carries the op_id")
            elif not _HEADER.match(value):
                problems.add(f"operations.{name}.headers", f"{header} is {value!r}: must be plain ASCII in one line")


def _check_text(text: str, known: tuple[str, ...], place: str, problems: Problems) -> None:
    for word in _WORD.findall(text):
        if word not in known:
            problems.add(place, f"{text!r} has {{{word}}}; {nearest(word, known)}")


def _check_mix(kit: KitFile, problems: Problems) -> None:
    shares = math.fsum(operation.share for operation in kit.operations.values())
    if abs(shares - 1.0) > _SHARES_OFF_MAX:
        problems.add("operations", f"the shares add up to {shares:g}, must be 1")
    if not any(operation.is_write for operation in kit.operations.values()):
        problems.add("operations", "none writes: a drill must be able to lose something")


def _check_body(name: str, operation: Operation, problems: Problems) -> None:
    try:
        json.dumps(operation.body, allow_nan=False)
    except (TypeError, ValueError) as error:
        problems.add(f"operations.{name}.body", f"is no JSON: {error}; quote dates")


def _check_write(name: str, operation: Operation, problems: Problems) -> None:
    place = f"operations.{name}"
    _check_body(name, operation, problems)
    if not operation.is_write:
        if operation.read_back is not None:
            problems.add(f"{place}.read_back", "stands at an operation that does not write")
        return
    if operation.read_back is None:
        hint = "say how it is found again, or `writes: false` if it changes nothing"
        problems.add(place, f"{operation.method} {operation.path} writes and has no read_back: {hint}")
        return
    if not any("{op_id}" in text for text in (operation.path, *texts(operation.body))):
        problems.add(place, "has no {op_id} in its path or body: nobody could tell which write it was")
    if not operation.read_back.is_one_by_one and not operation.read_back.id:
        problems.add(f"{place}.read_back", "reads all at once and has no `id`: name the field that holds the op_id")
    sent = operation.body or {}
    compared = operation.read_back.compare or tuple(sent)
    own = any(word in text for field in compared for text in texts(sent.get(field)) for word in ("{op_id}", "{index}"))
    if operation.read_back.is_one_by_one and not operation.read_back.id and not own:
        what = "compares nothing that only this write has: name the `id` field, or compare one with {op_id} or {index}"
        problems.add(f"{place}.read_back", what)
    for field in operation.read_back.compare:
        if field not in sent:
            problems.add(f"{place}.read_back.compare", f"{field!r} is not in the body; {nearest(field, sent)}")
