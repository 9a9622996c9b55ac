"""House rules over the repository: documents, error trees, experiments, configuration; each seen failing."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
from pathlib import Path

import pytest

from harness.drive import alerts, faults, rollout, target, traffic
from harness.drive.prepare import STACKS, read_document
from harness.plan import experiment as experiments
from harness.plan import target as targets
from harness.plan.validate import yaml_lines

ROOT = Path(__file__).parents[2]
ERROR_TREES = [path for path in (ROOT / "harness", ROOT / "target-app") for path in sorted(path.rglob("errors.py"))]


def undrawn(source: str) -> list[str]:
    """Classes of an error module that do not stand in the drawing at its top, `├── Name    meaning`."""
    tree = ast.parse(source)
    drawn = re.findall(r"^\s*[│├└─ ]*(\w+)  ", ast.get_docstring(tree) or "", re.MULTILINE)
    drawn += re.findall(r"^\s*[│├└─ ]*(\w+)$", ast.get_docstring(tree) or "", re.MULTILINE)
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name not in drawn]


@pytest.mark.parametrize("path", ERROR_TREES, ids=[str(path.relative_to(ROOT)) for path in ERROR_TREES])
def test_every_error_is_in_the_drawing(path: Path) -> None:
    """The tree at the top of an errors.py has every class of the file."""
    assert [] == undrawn(path.read_text())


def test_undrawn_error_is_seen() -> None:
    """A class that the drawing forgot is named."""
    source = (
        '"""Tree.\n\n    A    what\n    └── B\n"""\nclass A(Exception): ...\nclass B(A): ...\nclass Forgotten(A): ...\n'
    )
    assert ["Forgotten"] == undrawn(source)


def banned_words(glossary: str) -> list[str]:
    """The right column of the glossary's last table."""
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", glossary, re.MULTILINE)
    return [word.strip() for said, words in rows if said != "say" for word in words.split(",")]


def synonyms(text: str, banned: list[str]) -> list[str]:
    """`line: word` for every banned word, whatever its case and however its parts are joined."""
    pattern = "|".join(re.escape(word).replace(r"\ ", r"[\s_-]").replace(r"\-", "[-_ ]?") for word in banned)
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        found += [f"{number}: {match}" for match in re.findall(rf"\b(?:{pattern})\b", line, re.IGNORECASE)]
    return found


def test_one_word_for_one_thing() -> None:
    """No file of the product or of its documentation uses a word that the glossary replaces."""
    banned = banned_words((ROOT / "docs" / "glossary.md").read_text())
    assert len(banned) >= 15, "the glossary's table of words was not found"
    problems = [
        f"{path}:{problem}"
        for path, text in tracked_texts()
        if path.endswith((".py", ".md", ".yaml", ".html", ".jinja"))
        and path != "docs/glossary.md"
        and not path.startswith("tests/house_rules/")
        for problem in synonyms(text, banned)
    ]
    assert not problems, "\n".join(problems)


def test_synonym_is_seen() -> None:
    """A banned word is found in prose, in a name and at any case; a longer word that holds it is another word."""
    banned = banned_words("| say | not |\n|---|---|\n| users | virtual users, un-inject |\n")
    assert ["virtual users", "un-inject"] == banned
    assert ["1: Virtual users", "2: virtual_users", "3: uninject"] == synonyms(
        "Virtual users\nvirtual_users = 1\nuninject()\nvirtual userspace\n", banned
    )


def unreleased(changelog: str) -> list[str]:
    """The entries under `## Unreleased`."""
    section = re.search(r"^## Unreleased\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return re.findall(r"^- ", section.group(1), re.MULTILINE) if section else []


def test_changelog_has_its_unreleased_section() -> None:
    """What is not released yet is told under Unreleased."""
    assert unreleased((ROOT / "CHANGELOG.md").read_text())


def test_changelog_without_the_section_is_seen() -> None:
    """A missing or empty section has no entries, even when an older one has."""
    assert [] == unreleased("# Changes\n\n## 0.1.0\n\n- first\n")
    assert [] == unreleased("# Changes\n\n## Unreleased\n\n## 0.1.0\n\n- first\n")


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "experiments").glob("*.yaml")))
def test_experiment_parses(name: str) -> None:
    """Every shipped experiment is free of problems, against the faults that there are."""
    document, text = read_document(ROOT / "experiments" / name)
    experiment, problems = experiments.parse(document, name, yaml_lines(text), faults.known())
    assert [] == problems.found
    assert experiment is not None


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "experiments" / "targets").glob("*.yaml")))
def test_target_parses(name: str) -> None:
    """Every shipped target is free of problems, against the adapters that there are."""
    known = {
        "stack": STACKS,
        "router": traffic.known(),
        "controller": rollout.known(),
        "alerts": alerts.known(),
        "kit": target.known_kits(),
    }
    document, text = read_document(ROOT / "experiments" / "targets" / name)
    parsed, problems = targets.parse(document, name, yaml_lines(text), known)
    assert [] == problems.found
    assert parsed is not None


HOME = re.compile(r"/(?:root|home/[a-z]\w*|Users/[A-Za-z]\w*)/")
FILE_BYTES_MAX = 400_000


def tracked_texts() -> list[tuple[str, str]]:
    """(path, text) of every file that is, or would be, in the repository; files that are no text are left out."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    texts = []
    for name in filter(None, listed.stdout.split("\0")):
        content = (ROOT / name).read_bytes() if (ROOT / name).is_file() else b""
        if b"\0" not in content[:8000]:
            texts.append((name, content.decode(errors="replace")))
    return texts


def test_no_file_names_a_home_folder() -> None:
    """Nothing in the repository points into somebody's home folder."""
    problems = [f"{path}: {found}" for path, text in tracked_texts() for found in HOME.findall(text)]
    assert not problems, "\n".join(problems)


def test_home_folder_is_seen() -> None:
    """Root's and users' homes on Linux and macOS are found; an address with such a part is not."""
    for home in ("root", "home/ann", "Users/Ann"):
        assert HOME.search(f"see /{home}/x")
    assert not HOME.search("https://example.org/home-office/ and chroot/x and /rooted/x")


def heavy_files(sizes_bytes: dict[str, int]) -> list[str]:
    """Those over FILE_BYTES_MAX, but for the lock file, which a tool writes."""
    return [
        f"{name}: {size} bytes; the most is {FILE_BYTES_MAX}"
        for name, size in sizes_bytes.items()
        if size > FILE_BYTES_MAX and name != "uv.lock"
    ]


def test_no_heavy_file_is_in_the_repository() -> None:
    """A wheel or a recording that somebody left behind stays in every clone for ever."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    ).stdout
    paths = [name for name in listed.split("\0") if name and (ROOT / name).is_file()]
    assert paths
    assert [] == heavy_files({name: (ROOT / name).stat().st_size for name in paths})


def test_heavy_file_is_seen() -> None:
    """One byte too many is too many; the lock file may be as long as it is."""
    assert heavy_files({"left.whl": FILE_BYTES_MAX + 1})
    assert [] == heavy_files({"picture.png": FILE_BYTES_MAX, "uv.lock": FILE_BYTES_MAX * 2})


def test_import_rules_name_every_package() -> None:
    """A package that no import rule names would be free to import and to be imported."""
    rules = configparser.ConfigParser()
    rules.read(ROOT / ".importlinter")
    named = set(re.findall(r"harness\.(\w+)", " ".join(str(dict(rules[section])) for section in rules.sections())))
    found = {path.stem for path in (ROOT / "harness").iterdir() if path.suffix == ".py" or any(path.glob("*.py"))}
    assert set() == found - named - {"__init__"}


def test_makefile_names_folders_that_exist() -> None:
    """Every folder of tests is run by the Makefile, and every one that it runs is there."""
    run = set(re.findall(r"tests/\w+", (ROOT / "Makefile").read_text()))
    tests = {f"tests/{path.parent.relative_to(ROOT / 'tests').parts[0]}" for path in ROOT.glob("tests/*/**/test_*.py")}
    assert run == tests


def test_image_is_made_with_the_same_uv() -> None:
    """The Makefile and the Dockerfile read one lock file, so they read it with one version."""
    told = [re.findall(r"UV_VERSION ?:?= ?([\d.]+)", (ROOT / name).read_text()) for name in ("Makefile", "Dockerfile")]
    assert 1 == len(told[0])
    assert told[0] == told[1]


def test_no_recipe_swallows_an_exit_code() -> None:
    """Recipes stop at the first failure, of a pipe's members too, and none is told to go on."""
    makefile = (ROOT / "Makefile").read_text()
    assert ".SHELLFLAGS := -euo pipefail -c" in makefile
    assert [] == swallowed(makefile)
    assert [] == swallowed((ROOT / ".ci" / "run").read_text())


def swallowed(recipes: str) -> list[str]:
    """Lines that ignore a failure."""
    return re.findall(r"^\t-.*|.*\|\| *(?:true|:).*|.*\bset \+e\b.*", recipes, re.MULTILINE)


def test_swallowed_exit_code_is_seen() -> None:
    """A leading minus, `|| true` and `set +e` are found; a failure that is reported is not one."""
    assert ["\t-pytest", "\tpytest || true", "\tset +e; pytest"] == swallowed(
        "\t-pytest\n\tpytest || true\n\tset +e; pytest\n\tpytest -ra || exit 1\n"
    )
