"""A kit from a file: requests that follow from their index, and writes that are recognised when they come back."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import ClassVar

import pytest

from harness.drive.target import load_kit
from harness.drive.target.declared import filled
from harness.drive.target.port import Instance, Place, ReadBackWanted
from harness.errors import DriveError, InvalidFileError, UsageError

FILE = """\
name: notes
start: [serve, --port, "{port}", --release, "{version}", --data, "{data_dir}"]
env: {WHO: "{instance}/{track}"}
ready: /health
operations:
  keep:
    {method: POST, path: /notes, share: 0.5, body: {id: "{op_id}", text: "note {index}", number: "{index}"}, READ_BACK}
  look: {method: GET, path: "/notes?of={run_id}", share: 0.5}
profiles: {M: {rate_rps: 60, users: 60}}
"""
EACH = 'read_back: {path: "/notes/{op_id}"}'
ALL = 'read_back: {path: "/notes?run={run_id}", items: page.notes, id: id, compare: [text]}'
RUN = "20261125t0000-abc"
pytestmark = pytest.mark.integration


@pytest.fixture
def kit(tmp_path):
    def made(read_back=EACH, **kwargs):
        path = tmp_path / "notes.kit.yaml"
        path.write_text(FILE.replace("READ_BACK", read_back))
        return load_kit(str(path), **kwargs)

    return made


class Notes(BaseHTTPRequestHandler):
    """Answers from a table of paths."""

    answers: ClassVar[dict[str, tuple[int, object]]] = {}

    def do_GET(self):
        status, body = self.answers.get(self.path, (404, {}))
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def instance():
    server = HTTPServer(("127.0.0.1", 0), Notes)
    Notes.answers = {}
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Instance("stable-1", "stable", f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


def note(index, **changed):
    return {"id": f"{RUN}-{index}", "text": f"note {index}", "number": index, **changed}


def test_a_request_follows_from_its_index(kit):
    """Words are filled in, a lone {index} is a number, and a write's key is its op_id."""
    sent = kit().build_load(None, 0).request(4, "keep", 0.0, f"{RUN}-4")
    assert note(4) == json.loads(sent.body)
    assert ("POST", "/notes", f"{RUN}-4", 4) == (sent.method, sent.path, sent.key, sent.seq)
    read = kit().request(5, "look", 0.0, f"{RUN}-5")
    assert (f"/notes?of={RUN}", "", -1, b"", "") == (read.path, read.key, read.seq, read.body, read.payload_hash)


def test_what_comes_back_unchanged_has_the_hash_that_was_sent(kit, instance):
    """One by one: found with the content that was sent, changed with another, and 404 is not there."""
    Notes.answers = {
        f"/notes/{RUN}-0": (200, note(0)),
        f"/notes/{RUN}-1": (200, note(1, text="another")),
    }
    wanted = ReadBackWanted(RUN, tuple(("keep", f"{RUN}-{index}") for index in range(3)))
    found = {one.op_id: one for one in kit().read_back(instance, wanted)}
    sent = {f"{RUN}-{index}": kit().request(index, "keep", 0.0, f"{RUN}-{index}") for index in range(3)}
    assert {f"{RUN}-0", f"{RUN}-1"} == set(found)
    assert sent[f"{RUN}-0"].payload_hash == found[f"{RUN}-0"].payload_hash
    assert sent[f"{RUN}-1"].payload_hash != found[f"{RUN}-1"].payload_hash
    assert ("keep", f"{RUN}-0", 0) == (found[f"{RUN}-0"].kind, found[f"{RUN}-0"].key, found[f"{RUN}-0"].seq)


def test_all_at_once_gives_only_the_runs_own_and_shows_duplicates(kit, instance):
    """Rows of other runs are not this run's; one that is there twice is found twice."""
    rows = [note(0), note(0), {"id": "other-3", "text": "x"}]
    Notes.answers = {f"/notes?run={RUN}": (200, {"page": {"notes": rows}})}
    found = list(kit(ALL).read_back(instance, ReadBackWanted(RUN, ())))
    assert [f"{RUN}-0", f"{RUN}-0"] == [one.op_id for one in found]
    sent = kit(ALL).request(0, "keep", 0.0, f"{RUN}-0")
    assert {sent.payload_hash} == {one.payload_hash for one in found}


def test_two_kinds_in_one_list_are_told_apart(tmp_path, instance):
    """A write comes back as the kind that it was, and once."""
    mark = f'mark: {{method: POST, path: /marks, share: 0.25, body: {{id: "{{op_id}}", text: "mark"}}, {ALL}}}'
    text = FILE.replace("READ_BACK", ALL).replace("  look:", f"  {mark}\n  look:")
    text = text.replace('path: "/notes?of={run_id}", share: 0.5', 'path: "/notes?of={run_id}", share: 0.25')
    path = tmp_path / "two.kit.yaml"
    path.write_text(text)
    kit = load_kit(str(path))
    Notes.answers = {f"/notes?run={RUN}": (200, {"page": {"notes": [note(0), {"id": f"{RUN}-1", "text": "mark"}]}})}
    wanted = ReadBackWanted(RUN, (("keep", f"{RUN}-0"), ("mark", f"{RUN}-1")))
    assert [("keep", f"{RUN}-0"), ("mark", f"{RUN}-1")] == [
        (one.kind, one.op_id) for one in kit.read_back(instance, wanted)
    ]


def test_a_search_gives_none_one_or_two(kit, instance):
    """A list as the answer of a read of one: empty is absent, two are a duplicate."""
    Notes.answers = {
        f"/notes/{RUN}-0": (200, []),
        f"/notes/{RUN}-1": (200, [note(1)]),
        f"/notes/{RUN}-2": (200, [note(2), note(2)]),
    }
    wanted = ReadBackWanted(RUN, tuple(("keep", f"{RUN}-{index}") for index in range(3)))
    found = [one.op_id for one in kit().read_back(instance, wanted)]
    assert [f"{RUN}-1", f"{RUN}-2", f"{RUN}-2"] == found


def test_a_whole_number_is_the_same_with_and_without_a_point(kit, instance):
    """JSON has one kind of number: 4.0 for 4 is no other content, 4.5 is."""
    wanted = ReadBackWanted(RUN, (("keep", f"{RUN}-4"),))
    sent = kit().request(4, "keep", 0.0, f"{RUN}-4").payload_hash
    hashes = []
    for number in (4.0, 4.5):
        Notes.answers = {f"/notes/{RUN}-4": (200, note(4, number=number))}
        hashes += [one.payload_hash for one in kit().read_back(instance, wanted)]
    assert [True, False] == [one == sent for one in hashes]


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((500, {"error": "down"}), "500"),
        ((200, b"<html>"), "no JSON"),
        ((200, {"notes": []}), "has no 'page.notes'"),
        ((200, {"page": {"notes": {}}}), "wanted a list"),
        ((200, {"page": {"notes": [{"text": "x"}]}}), "has no 'id'"),
    ],
)
def test_an_answer_that_cannot_be_used_is_no_empty_store(kit, instance, answer, says):
    """Nothing found and not able to look are different things."""
    Notes.answers = {f"/notes?run={RUN}": answer}
    with pytest.raises(DriveError, match=says):
        list(kit(ALL).read_back(instance, ReadBackWanted(RUN, ())))


def test_each_instance_is_a_sidecar_with_the_service_behind_it(kit, tmp_path):
    """Ports, versions and the shared folder reach the command line; the token goes by the environment alone."""
    canary = Instance("canary-1", "canary", "http://127.0.0.1:1", "http://127.0.0.1:2")
    place = Place("py", (canary,), {"canary": "1.1"}, "", "secret", {"canary-1": 3}, "/data")
    (process,) = kit().local_processes(place)
    own, service = process.argv[: process.argv.index("--")], process.argv[process.argv.index("--") + 1 :]
    assert ("py", "-P", "-m", "sidecar") == own[:4]  # -P: not the modules in the folder of the kit
    assert ("serve", "--port", "3", "--release", "1.1", "--data", "/data") == service
    assert {"--port": "1", "--control-port": "2", "--upstream-port": "3", "--version": "1.1"}.items() <= dict(
        zip(own[4::2], own[5::2], strict=True)
    ).items()
    assert {"WHO": "canary-1/canary", "SIDECAR_CONTROL_TOKEN": "secret"} == process.env
    assert "secret" not in " ".join(process.argv)
    assert (str(tmp_path), (1, 2, 3)) == (process.cwd, process.ports)


def test_words_are_replaced_and_other_braces_stay():
    """A body may have braces of its own."""
    assert "a-1 {x} {}" == filled("a-{n} {x} {}", {"n": "1"})


def test_a_file_that_is_missing_or_wrong_is_named(tmp_path):
    """Not there: the path; wrong: every problem."""
    with pytest.raises(UsageError, match=r"nowhere\.yaml: cannot be read"):
        load_kit(str(tmp_path / "nowhere.yaml"))
    (tmp_path / "empty.yaml").write_text("name: x\n")
    with pytest.raises(InvalidFileError, match="start is missing"):
        load_kit(str(tmp_path / "empty.yaml"))
