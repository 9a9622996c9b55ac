"""Kit files: what is right is read, what is wrong is named with its place, all at once."""

from __future__ import annotations

import pytest
import yaml

from harness.plan import kit
from harness.plan.validate import yaml_lines

TEXT = """\
name: notes
start: [python, notes.py, --port, "{port}", --release, "{version}", --data, "{data_dir}"]
ready: /health
operations:
  keep: {method: POST, path: /notes, share: 0.4, body: {id: "{op_id}", kind: one}, read_back: {path: "/notes/{op_id}"}}
  look: {method: GET, path: /notes, share: 0.6}
profiles:
  M: {rate_rps: 60, users: 60}
"""


def parse(text):
    return kit.parse(yaml.safe_load(text), "notes.kit.yaml", yaml_lines(text))


def test_a_right_file_is_read():
    """Operations that can write do, and say how they are found again."""
    found, problems = parse(TEXT)
    assert [] == problems.found
    assert {"keep": True, "look": False} == {name: one.is_write for name, one in found.operations.items()}
    assert found.operations["keep"].read_back.is_one_by_one
    assert 60.0 == found.profiles["M"].rate_rps


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("share: 0.6", "share: 0.5", "4: operations: the shares add up to 0.9, must be 1"),
        ("GET", "GTE", "6: operations.look.method: is 'GTE': Invalid enum value 'GTE'"),
        ("M: {rate_rps: 60,", "M: {rate: 60,", "8: profiles.M.rate: unknown key; known: rate_rps, users"),
        ('"{port}"', '"8080"', "2: start: has no {port}: the service must listen on the port that it is given"),
        ('"{data_dir}"', '"{datadir}"', "2: start: '{datadir}' has {datadir}; known: data_dir,"),
        ('id: "{op_id}"', 'id: "{opid}"', "5: operations.keep: '{opid}' has {opid}; known: index, op_id, run_id"),
        (
            ', read_back: {path: "/notes/{op_id}"}',
            "",
            "5: operations.keep: POST /notes writes and has no read_back: say how it is found again",
        ),
        ('id: "{op_id}"', "id: fixed", "5: operations.keep: has no {op_id} in its path or body"),
        ('"/notes/{op_id}"', '"/notes?run={run_id}"', "operations.keep.read_back: reads all at once and has no `id`"),
        ('{path: "/notes/{op_id}"}', '{path: "/n/{op_id}", compare: [txt]}', "compare: 'txt' is not in the body"),
        ("path: /notes, share: 0.6", "path: notes, share: 0.6", "6: operations.look.path: is 'notes'"),
        ("name: notes", "name: My Notes", "1: name: is 'My Notes'"),
        ('"{version}"', "one", "2: start: has neither {version} nor {track}: stable and canary would be one program"),
        ('{path: "/notes/{op_id}"}}', '{path: "/notes/{op_id}", compare: [kind]}}', "compares nothing that only this"),
        ('"/notes/{op_id}"}', '"/notes/{op_id}?n={indx}"}', "operations.keep: '/notes/{op_id}?n={indx}' has {indx}"),
        ("ready: /health", "ready: /health?deep=1", "3: ready: is '/health?deep=1': must be a plain path"),
        ("path: /notes, share: 0.6", "path: /health, share: 0.6", "operations.look.path: is '/health': no fault hits"),
        ("path: /notes, share: 0.6", 'path: "/no tes", share: 0.6', "6: operations.look.path: is '/no tes'"),
        ('id: "{op_id}"', 'id: "{op_id}", day: 2026-11-25', "5: operations.keep.body: is no JSON"),
        ('id: "{op_id}"', 'id: "{op_id}", x: .nan', "5: operations.keep.body: is no JSON"),
        ("share: 0.6", 'share: 0.6, headers: {X-Request-Id: "1"}', "X-Request-Id is the load's own"),
        ("share: 0.6", 'share: 0.6, headers: {x-a: "1\\n2"}', "x-a is '1\\n2': must be plain ASCII in one line"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(old, new, line):
    """One change makes the file wrong, and the problem says where and what."""
    assert old in TEXT
    found, problems = parse(TEXT.replace(old, new, 1))
    assert found is None
    assert any(line in problem for problem in problems.found), problems.found


def test_a_kit_that_writes_nothing_is_refused():
    """Nothing could be lost, so a drill would prove nothing."""
    found, problems = parse(
        TEXT.replace("body:", "writes: false, body:").replace(', read_back: {path: "/notes/{op_id}"}', "")
    )
    assert found is None
    assert ["notes.kit.yaml:4: operations: none writes: a drill must be able to lose something"] == problems.found


def test_every_problem_is_told_at_once():
    """Two mistakes, two problems."""
    _, problems = parse(TEXT.replace("share: 0.6", "share: 0.5").replace('"{port}"', '"8080"'))
    assert 2 == len(problems.found)
