"""What a target needs for a drill, each part tried once on the real thing: the stack is brought up, asked, taken down.

Parts: identity of each instance, every operation of the kit, every write read back, metrics, the fault at the control
port (on, marked, off), rules and what they record, who would be told.

Not covered: rates, shares and time; a trial measures those.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx

from harness import clock
from harness.drive import alerts, faults
from harness.drive import target as targets
from harness.drive.guard.client import await_condition
from harness.drive.prepare import ReadyTarget
from harness.drive.stack import rules
from harness.drive.stack.spec import Endpoints
from harness.drive.target.port import Instance, Profile, ReadBackWanted, Request, TargetKit
from harness.errors import DriveError, HarnessError

CALL_S_MAX: Final = 10.0
SAMPLES_S_MAX: Final = 20.0  # the first scrape comes 6 s after Prometheus' start, a window is 5 s more
FAULT: Final = "http_5xx"
OP_ID_HEADER: Final = "x-request-id"
REQUESTS: Final = "http_requests_total"


@dataclass(frozen=True, slots=True)
class Row:
    """One part: what was seen, or what is wrong and what to do."""

    what: str
    well: bool
    says: str


@dataclass(frozen=True, slots=True)
class Examined:
    """What a part is asked with."""

    ready: ReadyTarget
    endpoints: Endpoints
    kit: TargetKit
    run_id: str

    @property
    def stable(self) -> Instance:
        """The first instance of stable."""
        return next(one for one in self.endpoints.instances if one.track == "stable")

    @property
    def canary(self) -> Instance:
        """The instance of the canary."""
        return next(one for one in self.endpoints.instances if one.track == "canary")

    @property
    def profile(self) -> Profile:
        """Any; all have the same kinds or fewer."""
        return next(iter(self.kit.profiles.values()))


def examine(ready: ReadyTarget, endpoints: Endpoints) -> Iterator[Row]:
    """Every part, one after the other. A part that cannot be asked is a row that says why."""
    kit = targets.load_kit(ready.target.kit, control_token=endpoints.control_token)
    given = Examined(ready, endpoints, kit, f"doctor-{clock.utc_stamp().lower()}")
    parts: tuple[tuple[str, Callable[[Examined], str]], ...] = (
        ("identity", _identity),
        ("operations", _operations),
        ("headers", _headers),
        ("metrics", _metrics),
        ("fault", _fault),
        ("rules", _rules),
        ("receivers", _receivers),
    )
    for what, ask in parts:
        try:
            yield Row(what, True, ask(given))
        except HarnessError as error:
            yield Row(what, False, str(error))
        except (httpx.HTTPError, httpx.InvalidURL, TypeError, ValueError) as error:  # the last two: a kit's own mistake
            yield Row(what, False, f"{type(error).__name__}: {error}")


def _identity(given: Examined) -> str:
    said = targets.identities(given.kit, given.endpoints.instances, given.ready.target.versions)
    return ", ".join(f"{name} is {version}" for name, version in said.items())


def _operations(given: Examined) -> str:
    """Each kind once through stable and once through the canary; each write then read back through stable."""
    load = given.kit.build_load(given.profile, seed=0)
    sent: dict[str, tuple[str, Request]] = {}
    index = 0
    for instance in (given.stable, given.canary):
        for kind in given.profile.kinds:
            op_id = f"{given.run_id}-{index}"
            request = load.request(index, kind.name, float(index), op_id)
            _send(instance, request, op_id, kind.name)
            if kind.writes:
                sent[op_id] = kind.name, request
            index += 1
    _found_again(given, sent)
    return f"{index} requests, {len(sent)} writes of them read back unchanged"


def _send(instance: Instance, request: Request, op_id: str, kind: str) -> None:
    answer = httpx.request(
        request.method,
        f"{instance.url}{request.path}",
        content=request.body,
        headers={**request.headers, OP_ID_HEADER: op_id},
        timeout=CALL_S_MAX,
        trust_env=False,
    )
    if not answer.is_success:
        raise DriveError(
            f"{kind}: {request.method} {request.path} at {instance.name}: {answer.status_code} "
            f"{answer.text[:200].strip()}; wanted 2xx: mend the operation in the kit"
        )


def _found_again(given: Examined, sent: Mapping[str, tuple[str, Request]]) -> None:
    """Each write as it was sent, and one that never was nowhere: a read that cannot say no proves nothing."""
    kind = next(iter(sent.values()))[0]
    never = f"{given.run_id}-{len(sent) + 1_000_000}"
    pairs = [*((kind, one.key) for kind, one in sent.values()), (kind, never)]
    found = {one.op_id: one for one in given.kit.read_back(given.stable, ReadBackWanted(given.run_id, tuple(pairs)))}
    if never in found:
        raise DriveError(f"{kind}: {never} was never sent and is read back: mend read_back, or what it asks")
    for op_id, (_, request) in sent.items():
        if op_id not in found:
            raise DriveError(f"{request.method} {request.path} ({op_id}) was acknowledged and is not read back")
        if found[op_id].payload_hash != request.payload_hash:
            raise DriveError(f"{request.method} {request.path} ({op_id}) comes back with other content than was sent")


def _headers(given: Examined) -> str:
    """Through the router, as the load sees it."""
    answer = httpx.get(f"{given.endpoints.service_url}/", timeout=CALL_S_MAX, trust_env=False)
    headers = given.ready.target.headers
    missing = [name for name in (headers.version, headers.instance, headers.track) if name not in answer.headers]
    if missing:
        raise DriveError(f"an answer through the router lacks {', '.join(missing)}: mend `headers` of the target")
    return f"version {answer.headers[headers.version]} by {answer.headers[headers.instance]}"


def _metrics(given: Examined) -> str:
    """What the rules read, as each instance gives it."""
    for one in given.endpoints.instances:
        text = httpx.get(f"{one.url}/metrics", timeout=CALL_S_MAX, trust_env=False).text
        for name in (REQUESTS, "http_request_duration_seconds_bucket"):
            if f"\n{name}{{" not in text:
                raise DriveError(f"{one.name}: /metrics has no {name}: the rules would see nothing of it")
    return f"{REQUESTS} and http_request_duration_seconds on {len(given.endpoints.instances)} instances"


def _fault(given: Examined) -> str:
    """On in the canary for all answers: the next one is a marked 503. Off again: it is none."""
    fault, token, mark = faults.build(FAULT), given.endpoints.control_token, given.ready.target.headers.fault
    load = given.kit.build_load(given.profile, seed=1)
    kind = next(one.name for one in given.profile.kinds if not one.waits)
    request = load.request(0, kind, 0.0, f"{given.run_id}-fault-0")

    def ask() -> httpx.Response:
        return httpx.request(
            request.method, f"{given.canary.url}{request.path}", content=request.body,
            headers={**request.headers, OP_ID_HEADER: f"{given.run_id}-fault-0"}, timeout=CALL_S_MAX, trust_env=False,
        )  # fmt: skip

    fault.inject(given.canary, token, 1.0, CALL_S_MAX, {})
    try:
        hit = ask()
    finally:
        fault.heal(given.canary, token)
    if hit.status_code < 500 or mark not in hit.headers:
        raise DriveError(f"with {FAULT} on, the canary answered {hit.status_code} and {mark}: {hit.headers.get(mark)}")
    if mark in ask().headers:
        raise DriveError(f"{FAULT} was taken back and still hits")
    return f"{FAULT} hits, is marked by {mark}, and ends"


def _rules(given: Examined) -> str:
    """They are loaded and healthy, and what they record of both tracks is there once there was traffic."""
    metrics = alerts.build(given.ready.target.alerts.kind, given.endpoints).metrics
    ill = [f"{one.name}: {one.error}" for one in metrics.rules_loaded() if one.health == "err"]
    if ill:
        raise DriveError(f"rules that Prometheus cannot evaluate: {'; '.join(ill)}")
    name = f"track_version:http_requests:rate{rules.timing_of(given.ready.target.timing).window_s}s"

    def recorded() -> bool:
        found = {sample.labels_json for sample in metrics.fetch_samples(name, CALL_S_MAX)}
        return all(any(f'"track":"{track}"' in one.replace(" ", "") for one in found) for track in ("stable", "canary"))

    if not await_condition(recorded, SAMPLES_S_MAX, 0.2):
        raise DriveError(f"{name} has no sample of both tracks after {SAMPLES_S_MAX:g} s: are the metrics scraped?")
    return f"{len(metrics.rules_loaded())} rules, and they see both tracks"


def _receivers(given: Examined) -> str:
    """Nobody but who may be told."""
    live = alerts.build(given.ready.target.alerts.kind, given.endpoints).receivers
    allowed = set(given.ready.target.allow_receivers)
    labels: dict[str, Any] = {"alertname": "CanaryErrorRatioHigh", "track": "canary", "action": "rollback"}
    told = [who for who, _ in live.resolve_receivers(labels)]
    strangers = sorted(set(told) - allowed)
    if strangers:
        raise DriveError(f"{', '.join(strangers)} would be told; allow_receivers of the target has {sorted(allowed)}")
    return f"CanaryErrorRatioHigh goes to {', '.join(told)}"
