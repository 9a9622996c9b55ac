"""The first files of a drill for somebody's own service: kit, target, experiment, its control, and a suite. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import yaml

from harness.errors import UsageError
from harness.plan import kit as kit_files
from harness.plan.suite import CONTROL

NAME = re.compile(r"^[a-z][a-z0-9_-]{0,39}$")
_RATE_RPS = 60  # one busy process of an interpreted language answers so many on a shared core
_SHIPPED_LOSS_RATE_MAX, _LOSS_RATE_MAX = "0.05", "0.15"  # half the rate gives half the writes, and a third of the power


@dataclass(frozen=True, slots=True)
class Service:
    """What a person knows of their service. `write` and `read` are "METHOD /path"; `write_body` is JSON."""

    name: str
    start: tuple[str, ...]
    ready: str
    write: str
    write_body: str
    read_back: str
    read: str
    stable: str
    canary: str
    version: str = ""  # "/path field", where the service says its version itself

    def checked(self) -> Service:
        """Itself. UsageError that lists everything that cannot be used."""
        wrong = [
            *([] if NAME.match(self.name) else [f"name {self.name!r}: small letters, digits, - and _, a letter first"]),
            *(
                f"{what} {text!r}: write it as METHOD /path, such as POST /notes"
                for what, text in (("write", self.write), ("read", self.read))
                if not re.match(r"^[A-Z]+ /", text)
            ),
            *([] if self.start else ["start: the command line of the service is missing"]),
            *([] if self.stable != self.canary else [f"stable and canary are both {self.stable!r}"]),
            *([] if _is_object(self.write_body) else [f"write body {self.write_body!r}: no JSON object"]),
            *([] if not self.version or " " in self.version else [f"version {self.version!r}: /path field"]),
        ]
        if not wrong:
            _, problems = kit_files.parse(yaml.safe_load(_kit(self)), "the kit file", {})
            wrong = [problem.removeprefix("the kit file: ") for problem in problems.found]
        if wrong:
            raise UsageError("\n  ".join(("the service cannot be described like this", *wrong)))
        return self


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def files(service: Service, drill: str, control: str) -> dict[str, str]:
    """Path relative to the chosen folder -> text. `drill` and `control` are texts of shipped experiments, which are
    pointed at the service: one with a fault, and the one without."""
    return {
        f"{service.name}.kit.yaml": _kit(service),
        f"targets/{service.name}.yaml": _target(service),
        f"{service.name}-5xx.yaml": _experiment(service, drill),
        f"{CONTROL}.yaml": _experiment(service, control),
        "suites/nightly.yaml": _SUITE.format(name=service.name),
    }


def _kit(service: Service) -> str:
    write_method, _, write_path = service.write.partition(" ")
    read_method, _, read_path = service.read.partition(" ")
    document: dict[str, object] = {
        "name": service.name,
        "start": list(service.start),
        "ready": service.ready,
        "operations": {
            "write": {
                "method": write_method,
                "path": write_path,
                "share": 0.5,
                "body": json.loads(service.write_body),
                "read_back": {"path": service.read_back},
            },
            "read": {"method": read_method, "path": read_path, "share": 0.5},
        },
        "profiles": {"M": {"rate_rps": _RATE_RPS, "users": _RATE_RPS}},
    }
    if service.version:
        path, _, field = service.version.partition(" ")
        document["version"] = {"path": path, "field": field}
    return _KIT_HEAD + yaml.safe_dump(document, sort_keys=False, width=110)


def _target(service: Service) -> str:
    return _TARGET.format(name=service.name, stable=json.dumps(service.stable), canary=json.dumps(service.canary))


def _experiment(service: Service, shipped: str) -> str:
    """The shipped text with another title, target and bound; its layout and comments stay, but for the first line: the
    schema that an editor is told of lies beside the shipped file."""
    first, _, rest = shipped.partition("\n")
    shipped = rest if first.startswith("# yaml-language-server:") else shipped
    changes = {
        "title: ": f"title: {service.name} - ",
        "configuration: {target: local}": f"configuration: {{target: {service.name}}}",
        f"loss_rate_detectable_max: {_SHIPPED_LOSS_RATE_MAX}": f"loss_rate_detectable_max: {_LOSS_RATE_MAX}",
    }
    for old, new in changes.items():
        assert shipped.count(old) >= 1, f"the shipped experiment has no {old!r}"
        shipped = shipped.replace(old, new, 1)
    return shipped


_KIT_HEAD = """\
# What the drill knows of the service. Words in {braces} are filled in:
#   start, env     {port} {version} {instance} {track} {data_dir} {python}
#   operations     {op_id} (unique to each request), {index} (its number), {run_id}
# Every instance must see the same data: a file in {data_dir}, or a database that you name in `env`.
# A write is looked for once more at the end; `read_back` says how. All of it: docs/reference/kit-file.md
"""
_SUITE = """\
# harness suite suites/nightly.yaml
title: {name}, every night
budget_s: 900
trials:
  # With its control: the same requests, and nothing broken. `seconds` counts until there is a history.
  - {{experiment: {name}-5xx, seconds: 200, control: true}}
"""
_TARGET = """\
# Where the drill runs: everything on this machine, on 127.0.0.1.
name: {name}
stack: {{kind: local, stable_instances: 2}}
router: {{kind: envoy}}
controller: {{kind: stepper}}
alerts: {{kind: prometheus}}
kit: ../{name}.kit.yaml
versions: {{stable: {stable}, canary: {canary}}}
# What the sidecar before each instance says.
headers: {{version: x-service-version, instance: x-service-instance, track: x-track, fault: x-fault-injected}}
timing: drill
allow_receivers: [stepper, harness-recorder]
not_asked: []
"""
