"""People are told by a real SMTP server and a real HTTP receiver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from aiosmtpd.controller import Controller

from harness.drive import notify
from harness.drive.stack import ports
from harness.errors import UsageError

pytestmark = [
    pytest.mark.integration,
    # apprise's e-mail part imports it on the Pythons that still have it
    pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning"),
]
ROOT = Path(__file__).parents[3]
CACHE = ROOT / ".cache"
TITLE = "nightly: FAIL, 1 of 9 trials"
BODY = "**canary-5xx** is red since 3 nights: `rollback / late`\n\nreports/index.html"


@pytest.fixture
def mailbox():
    """A mail server on loopback and what it has taken."""

    taken = []

    class Box:
        async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - the name that the server calls
            taken.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
            return "250 kept"

    with ports.reserve(1, CACHE / "ports") as lease:
        (port,) = lease.ports
        controller = Controller(Box(), hostname="127.0.0.1", port=port)
        controller.start()
        yield port, taken
        controller.stop()


@pytest.fixture
def webhook():
    """An HTTP receiver on loopback and what it has taken."""
    taken = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            taken.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments):
            pass

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_port, taken
    server.shutdown()
    thread.join()
    server.server_close()


def test_mail_and_webhook_get_the_message(mailbox, webhook):
    """Each has the title, what failed, since when and where the report is."""
    (smtp_port, mails), (http_port, posts) = mailbox, webhook
    urls = [
        f"mailto://127.0.0.1:{smtp_port}?from=harness@example.org&to=team@example.org&mode=insecure",
        f"json://127.0.0.1:{http_port}/alerts",
    ]
    told = notify.tell(notify.receivers_of(urls), TITLE, BODY, bad=True)
    assert [True, True] == [one.took_it for one in told]
    ((recipients, mail),) = mails
    assert (["team@example.org"], TITLE) == (recipients, mail["subject"])
    assert "is red since 3 nights" in mail.get_body(("plain", "html")).get_content()
    (post,) = posts
    assert (TITLE, "failure") == (post["title"], post["type"])
    assert "reports/index.html" in post["message"]


def test_one_that_is_away_keeps_none_from_the_others(webhook):
    """It is named by place and kind alone, and the next one is told all the same."""
    port, posts = webhook
    urls = ["json://user:very-secret@127.0.0.1:1/hooks/secret", f"json://127.0.0.1:{port}/"]
    away, well = notify.tell(notify.receivers_of(urls), TITLE, BODY, bad=False)
    assert (False, True, 1) == (away.took_it, well.took_it, len(posts))
    assert ("receiver 1 (JSON)", "receiver 2 (JSON)") == (away.receiver, well.receiver)


def test_a_url_of_no_kind_is_refused_without_showing_it():
    """Before anything is run, by its place: it may be a secret."""
    with pytest.raises(UsageError, match="receiver 2 of 2: no URL that apprise knows") as refused:
        notify.receivers_of(["json://127.0.0.1/", "slak://very-secret"])
    assert "very-secret" not in str(refused.value)


@pytest.mark.parametrize(("budget", "why"), [("60", "profile is 'XXL'"), ("10", "takes about 20 s")])
def test_a_suite_tells_what_failed_and_where(webhook, tmp_path, budget, why):
    """Its trial is refused, or nothing fitted: the receiver hears why and in which folder; the URL is shown nowhere."""
    port, posts = webhook
    shipped = ROOT / "experiments"
    for folder in ("targets", "suites"):
        (tmp_path / folder).mkdir()
    (tmp_path / "targets" / "local.yaml").write_text((shipped / "targets" / "local.yaml").read_text())
    wrong = (shipped / "canary-5xx.yaml").read_text().replace("profile: M", "profile: XXL")
    (tmp_path / "canary-5xx.yaml").write_text(wrong)
    suite = tmp_path / "suites" / "tiny.yaml"
    suite.write_text("title: One that is refused\nbudget_s: 60\ntrials: [{experiment: canary-5xx, seconds: 20}]\n")
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli.main", "suite", str(suite), "--budget", budget,
         "--reports-dir", str(tmp_path / "reports")],
        env={**os.environ, "HARNESS_NOTIFY": f"json://user:very-secret@127.0.0.1:{port}/"},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    (post,) = posts
    assert ("tiny: INCONCLUSIVE", "failure") == (post["title"], post["type"])
    assert why in post["message"]
    assert str((tmp_path / "reports" / "latest-suite").resolve()) in post["message"]
    assert "told: receiver 1 (JSON)" in done.stderr
    written = [path for path in (tmp_path / "reports").rglob("*") if path.is_file()]
    assert [] == [path for path in written if b"very-secret" in path.read_bytes()]
    assert "very-secret" not in done.stdout + done.stderr


def test_nobody_to_tell_needs_no_apprise():
    """The usual case is free."""
    assert [] == notify.receivers_of([])
