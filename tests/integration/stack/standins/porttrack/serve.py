"""Answers 200, or 503 with a share that the control port sets; counts what it answered."""

import argparse
import os
import random
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

parser = argparse.ArgumentParser()
for name in ("--release", "--instance", "--host"):
    parser.add_argument(name, required=True)
for name in ("--port", "--control-port"):
    parser.add_argument(name, type=int, required=True)
GIVEN = parser.parse_args()
TOKEN = os.environ["PORTTRACK_CONTROL_TOKEN"]
LOCK = threading.Lock()
COUNTS = {200: 0, 503: 0}
DICE = random.Random(GIVEN.instance)
STATE = {"error_share": 0.0}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body in one packet: two would wait 40 ms for the peer's acknowledgement

    def do_GET(self):
        if self.path == "/health":
            self.answer(200, "well\n")
        elif self.path == "/metrics":
            with LOCK:
                lines = [
                    f'http_requests_total{{version="{GIVEN.release}",route="/work",method="GET",code="{code}"}} {count}'
                    for code, count in COUNTS.items()
                ]
            self.answer(200, "# TYPE http_requests_total counter\n" + "\n".join(lines) + "\n")
        else:
            with LOCK:
                code = 503 if DICE.random() < STATE["error_share"] else 200
                COUNTS[code] += 1
            self.answer(code, f"{self.headers.get('x-request-id', '')}\n")

    def answer(self, code, text):
        body = text.encode()
        self.send_response(code)
        self.send_header("content-length", str(len(body)))
        self.send_header("x-porttrack-version", GIVEN.release)
        self.send_header("x-track", "a claim that the router must overwrite")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *arguments):
        pass


class Control(Handler):
    def do_POST(self):
        if self.headers.get("authorization") != f"Bearer {TOKEN}":
            self.answer(401, "the token is wrong\n")
            return
        STATE["error_share"] = float(self.path.rpartition("=")[2])
        self.answer(200, "set\n")


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


threading.Thread(target=Server((GIVEN.host, GIVEN.control_port), Control).serve_forever, daemon=True).start()
Server((GIVEN.host, GIVEN.port), Handler).serve_forever()
