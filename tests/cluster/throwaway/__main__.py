"""`python -m tests.cluster.throwaway up | down | build`."""

from __future__ import annotations

import sys
import time

from harness import settings
from tests.cluster.throwaway import lifecycle
from tests.cluster.throwaway.layout import Layout


def main(argv: list[str]) -> int:
    actions = {"up": lifecycle.up, "down": lifecycle.down, "build": lifecycle.prepare_all}
    if len(argv) != 1 or argv[0] not in actions:
        print(f"usage: python -m tests.cluster.throwaway {'|'.join(actions)}", file=sys.stderr)
        return 64
    layout = Layout(settings.cache_dir(settings.load()))
    started = time.monotonic()
    try:
        actions[argv[0]](layout)
    except lifecycle.ClusterError as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 70
    took = f"{time.monotonic() - started:.1f} s"
    print(f"cluster: {argv[0]}, {took}")
    if argv[0] == "up":
        print(f"export KUBECONFIG={layout.admin_kubeconfig}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
