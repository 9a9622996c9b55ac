"""A service that has never heard of drills: notes in SQLite, by the standard library alone."""

import argparse
import contextlib
import itertools
import json
import sqlite3
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--release", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--forgets", type=int, default=0, help="every n-th note is confirmed and not kept")
given = parser.parse_args()
taken = itertools.count(1)


@contextlib.contextmanager
def database():
    """One connection a request; a write waits for its turn."""
    connection = sqlite3.connect(Path(given.data) / "notes.db", timeout=5.0)
    try:
        with connection:
            yield connection
    finally:
        connection.close()


class Handler(BaseHTTPRequestHandler):
    """GET /health, GET /notes, GET /notes/ID, POST /notes."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one packet

    def do_GET(self):
        """Read."""
        if self.path == "/health":
            return self.answer(200, {"ok": True, "release": given.release})
        where, values = ("", ()) if self.path == "/notes" else ("WHERE id = ?", (unquote(self.path[7:]),))
        with database() as connection:
            rows = connection.execute(f"SELECT id, text FROM notes {where} LIMIT 20", values).fetchall()
        notes = [{"id": row[0], "text": row[1]} for row in rows]
        if not where:
            return self.answer(200, {"notes": notes})
        return self.answer(200, notes[0]) if notes else self.answer(404, {"error": "no such note"})

    def do_POST(self):
        """Keep a note."""
        note = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if not (given.forgets and given.release != "1" and next(taken) % given.forgets == 0):
            with database() as connection:
                connection.execute("INSERT INTO notes VALUES (?, ?)", (note["id"], note["text"]))
        return self.answer(201, note)

    def answer(self, status, body):
        """JSON."""
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments):
        """Be quiet."""


class Server(ThreadingHTTPServer):
    """With a queue for more than five at a time."""

    request_queue_size = 128
    daemon_threads = True


with database() as setting_up:
    setting_up.execute("PRAGMA journal_mode=WAL")
    setting_up.execute("CREATE TABLE IF NOT EXISTS notes (id TEXT PRIMARY KEY, text TEXT)")
Server(("127.0.0.1", given.port), Handler).serve_forever()
