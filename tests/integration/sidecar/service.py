"""A service that tells what it saw: `python service.py PORT`."""

import collections
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

counts = collections.Counter()
released = threading.Event()


class Service(BaseHTTPRequestHandler):
    """/health, /counts, /slow until /release, /breaks-off, /empty; anything else is told back with 207."""

    protocol_version = "HTTP/1.1"

    def answer_it(self):
        counts[self.path.partition("?")[0]] += 1
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/breaks-off":
            self.close_connection = True
            return
        if self.path == "/empty":
            self.send_response(204)
            self.end_headers()
            return
        if self.path == "/pretends":
            self.pretend()
            return
        if self.path == "/slow":
            released.wait(10.0)
        if self.path == "/release":
            released.set()
        self.tell(200 if self.path == "/health" else 207, body)

    def pretend(self):
        self.send_response(500)
        for name in ("x-service-version", "X-Service-Instance", "x-fault-injected", "content-length"):
            self.send_header(name, "0")
        self.end_headers()

    def tell(self, status, body):
        if self.path == "/counts":
            told = counts
        else:
            headers = [[name.lower(), value] for name, value in self.headers.items()]
            told = {"method": self.command, "target": self.path, "headers": headers, "body": body.decode("latin-1")}
        content = json.dumps(told).encode()
        self.send_response(status)
        for value in "12":
            self.send_header("set-cookie", value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_DELETE = answer_it  # noqa: N815 - the names that the server calls

    def log_message(self, *_arguments):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
