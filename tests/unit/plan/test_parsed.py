"""Files that no document can be made of: each is a wrong file with its reason, whatever the parser raises."""

from __future__ import annotations

import pytest

from harness.drive.prepare import read_document
from harness.drive.target import read_kit
from harness.errors import InvalidFileError, UsageError

DEEP = "[" * 2000 + "]" * 2000
NO_DOCUMENTS = [
    ("x.yaml", "title: a\nmethod: [\n", "x.yaml:3: not YAML: "),
    ("x.yaml", "title: 2020-13-01\n", "a value cannot be read: ValueError: month must be in 1..12; put it in quotes"),
    ("x.yaml", "title: !!bool maybe\n", "a value cannot be read: KeyError: 'maybe'"),
    ("x.yaml", "title: !!int ''\n", "a value cannot be read: IndexError"),
    ("x.yaml", "title: !!timestamp soon\n", "a value cannot be read: AttributeError"),
    ("x.yaml", "title: &a [*a]\n", "x.yaml: is nested too deep, or holds itself by an alias"),
    ("x.yaml", DEEP, "x.yaml: is nested too deep"),
    ("x.json", DEEP, "x.json: is nested too deep"),
    ("x.json", f'{{"title": {"1" * 5000}}}', "a value cannot be read: ValueError: Exceeds the limit"),
    ("x.json", '{"title": 1,\n]', "x.json:2: "),
]
YAML = [(text, says) for name, text, says in NO_DOCUMENTS if name == "x.yaml"]


@pytest.mark.parametrize(("name", "text", "says"), NO_DOCUMENTS)
def test_file_that_is_no_document_is_refused(tmp_path, name, text, says):
    """Experiments, targets and suites are read by one function; what it refuses is the user's to mend."""
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidFileError) as refused:
        read_document(tmp_path / name)
    assert says in str(refused.value)


@pytest.mark.parametrize(("text", "says"), YAML)
def test_kit_that_is_no_document_is_refused(tmp_path, text, says):
    """A kit's file is refused in the same words."""
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(InvalidFileError) as refused:
        read_kit(tmp_path / "x.yaml")
    assert says in str(refused.value)


def test_kit_that_is_no_text_is_refused(tmp_path):
    """Bytes that are not UTF-8 are no kit."""
    (tmp_path / "x.yaml").write_bytes(b"title: \xff")
    with pytest.raises(UsageError, match=r"cannot be read: .*`kit:` of the target names this file"):
        read_kit(tmp_path / "x.yaml")
