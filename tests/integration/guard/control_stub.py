"""A control for the guard's tests: starts a guard and two processes, says their pids, then does as its mode says.

`python control_stub.py RUN_DIR SCRATCH_DIR MODE PORT DOOR_PORT` with MODE one of

    live      wait for a line, say which processes ended unasked, end
    hang      stop altogether, as SIGSTOP does
    stall     let the main thread wait for ever while the heartbeat goes on; STALL_S is a hang
    poll      as stall, but with polls in between, for three times STALL_S; then as live
    late      have the guard's deadline pass after DEADLINE_S, polling
    door      allow stops of both, and of "never", which is not started; then as live
    release   wait for a line, stop everything, release the guard; the server begins as a shell that hands over
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
from pathlib import Path

from harness.drive.guard.client import await_condition, start_guard
from harness.drive.guard.undo import UndoRequest
from harness.drive.stack.spec import ProcessSpec

SERVER = """
import http.server, sys
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers()
    def do_DELETE(self):
        open(sys.argv[2], "a").write("healed\\n"); self.send_response(200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
"""
# Ignores SIGTERM and has a child of its own: what a stop must deal with.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
child = subprocess.Popen([sys.executable, "-c", DEAF])
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(600)
"""
HANDS_OVER = ("/bin/sh", "-c", 'sleep 0.3; exec "$0" "$@"')
STALL_S = 2.0
DEADLINE_S = 2.0
TOKEN = "a token of this test"


def main(run_dir: Path, scratch_dir: Path, mode: str, port: int, door_port: int) -> None:
    """Start everything, print one JSON line, then do as `mode` says."""
    lock_fd = os.open(run_dir / "LOCK", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock_fd, fcntl.LOCK_EX)
    scratch_dir.mkdir()
    exits: list[str] = []
    guard = start_guard(
        run_dir,
        scratch_dir,
        lock_fd,
        DEADLINE_S if mode == "late" else 60.0,
        lambda name, code: exits.append(f"{name} {code}"),
        stall_s_max=STALL_S if mode in ("stall", "poll") else 60.0,
        door_port=door_port,
        door_token=TOKEN,
    )
    argv = (sys.executable, "-c", SERVER, str(port), str(run_dir / "logs" / "healed"))
    server = ProcessSpec("server", (*HANDS_OVER, *argv) if mode == "release" else argv, ports=(port,))
    stubborn = ProcessSpec(
        "stubborn",
        (sys.executable, "-c", STUBBORN, str(run_dir / "logs" / "grandchild")),
        after=("server",),
        stop_s_max=0.3,
    )
    pids = {"server": guard.start(server), "stubborn": guard.start(stubborn), "guard": guard.pid}
    guard.undo_add(UndoRequest("DELETE", f"http://127.0.0.1:{port}/fault"))
    print(json.dumps(pids), flush=True)
    if mode == "release":
        sys.stdin.readline()
        print(json.dumps({"left": guard.stop_all(), "codes": guard.codes(), "exits": exits}), flush=True)
        guard.release()
        return
    if mode == "door":
        guard.allow_stop(["server", "stubborn", "never"])
        print(json.dumps("allowed"), flush=True)
    if mode == "poll":
        await_condition(lambda: False, 3 * STALL_S)
        print(json.dumps("polled"), flush=True)
    if mode == "late":
        await_condition(lambda: False, 60.0)
    if mode == "hang":
        os.kill(os.getpid(), signal.SIGSTOP)
    sys.stdin.readline()
    print(json.dumps({"exits": exits}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
