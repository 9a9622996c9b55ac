"""Finding and fetching the foreign programs."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from harness.cli import doctor
from harness.drive.stack import binaries
from harness.drive.stack.binaries import Given
from harness.errors import MissingPartError, UsageError


def program(place: Path, text: str = "exit 0") -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"#!/bin/sh\n{text}\n")
    place.chmod(0o755)
    return place


class FakeApt:
    """Stands for apt-get and dpkg-deb: keeps the commands, writes what the real ones would."""

    def __init__(self, unpacks=binaries.FETCHED, fails=""):
        self.commands = []
        self.unpacks = unpacks
        self.fails = fails

    def __call__(self, argv, folder, s_max):
        verb = argv[1] if argv[0] == "dpkg-deb" else next(word for word in argv if word in {"update", "download"})
        self.commands.append(verb)
        if verb == self.fails:
            raise MissingPartError(f"{verb}: exit code 100: no network")
        if verb == "download":
            for name in binaries.DEBIAN_PACKAGES:
                (folder / f"{name}_1_amd64.deb").touch()
        if verb == "-x":
            for name in self.unpacks:
                program(Path(argv[3]) / "usr" / "bin" / name, "# /usr/share/prometheus/alertmanager")


@pytest.fixture
def tools(tmp_path):
    """A PATH with apt-get and dpkg-deb on it and nothing else."""
    for name in ("apt-get", "dpkg-deb"):
        program(tmp_path / "tools" / name)
    return str(tmp_path / "tools")


def test_fetch_updates_downloads_and_unpacks_once(tmp_path, tools):
    """The first fetch runs apt, the second finds everything in place; no temporary folder is left."""
    cache, apt = tmp_path / "cache", FakeApt()
    first = binaries.fetch(cache, apt, tools)
    second = binaries.fetch(cache, apt, tools)
    assert first == second == cache / "debian"
    assert apt.commands == ["update", "download", "-x", "-x"]
    assert [cache / "debian"] == list(cache.iterdir())


def test_fetched_alertmanager_looks_for_its_template_in_its_own_folder(tmp_path, tools):
    """The absolute path in the program is relative now, at the same length, and find() says where to start it."""
    cache = tmp_path / "cache"
    folder = binaries.fetch(cache, FakeApt(), tools)
    fetched = folder / "usr" / "bin" / "prometheus-alertmanager"
    found = binaries.find(Given(), cache, path="/nowhere")
    assert fetched.read_text() == "#!/bin/sh\n# usr//share/prometheus/alertmanager\n"
    assert str(fetched) == found.alertmanager
    assert str(folder) == found.alertmanager_cwd


def test_apt_keeps_its_state_to_itself(tmp_path):
    """Every apt command names a private state, status and cache, so the host's are neither read nor written."""
    argv = binaries.apt_argv(tmp_path, "update")
    options = {value for flag, value in itertools.pairwise(argv) if flag == "-o"}
    assert {f"Dir::State={tmp_path}/state", "Dir::State::status=/dev/null", f"Dir::Cache={tmp_path}/cache"} <= options
    assert argv[-1] == "update"


def test_fetch_that_fails_on_the_way_leaves_nothing(tmp_path, tools):
    """No network: the error goes on, the cache is as empty as before."""
    with pytest.raises(MissingPartError, match="no network"):
        binaries.fetch(tmp_path / "cache", FakeApt(fails="download"), tools)
    assert [] == list((tmp_path / "cache").iterdir())


def test_packages_without_the_programs_are_refused(tmp_path, tools):
    """Packages that lack promtool do not become the cache's folder."""
    with pytest.raises(MissingPartError, match="do not hold prometheus, promtool"):
        binaries.fetch(tmp_path / "cache", FakeApt(unpacks=("prometheus",)), tools)
    assert [] == list((tmp_path / "cache").iterdir())


def test_an_incomplete_older_folder_is_replaced(tmp_path, tools):
    """A folder in which a program is missing is fetched again."""
    program(tmp_path / "cache" / "debian" / "usr" / "bin" / "prometheus")
    folder = binaries.fetch(tmp_path / "cache", FakeApt(), tools)
    assert set(binaries.FETCHED) == {place.name for place in (folder / "usr" / "bin").iterdir()}


def test_without_apt_the_error_says_what_to_set(tmp_path):
    """A host without apt-get is told to put the programs on PATH or to name them."""
    with pytest.raises(MissingPartError, match=r"apt-get: not found.*HARNESS_PROMETHEUS"):
        binaries.fetch(tmp_path / "cache", FakeApt(), path=str(tmp_path))


def test_a_setting_goes_before_path_and_path_before_the_cache(tmp_path, tools):
    """The same program in three places: the setting wins, then PATH, then the cache."""
    cache = tmp_path / "cache"
    binaries.fetch(cache, FakeApt(), tools)
    on_path = program(tmp_path / "path" / "promtool")
    named = program(tmp_path / "named")
    cached = str(cache / "debian" / "usr" / "bin" / "promtool")
    assert cached == binaries.locate_one("promtool", Given(), cache, "/nowhere")
    assert str(on_path) == binaries.locate_one("promtool", Given(), cache, str(tmp_path / "path"))
    assert str(named) == binaries.locate_one("promtool", Given(promtool=str(named)), cache, str(tmp_path / "path"))


def test_alertmanager_is_found_under_either_of_its_names(tmp_path):
    """Its makers' name and Debian's."""
    for name in ("alertmanager", "prometheus-alertmanager"):
        place = program(tmp_path / name / name)
        assert str(place) == binaries.locate_one("alertmanager", Given(), tmp_path, str(place.parent))


def test_an_alertmanager_from_path_starts_anywhere(tmp_path, tools):
    """Only the fetched copy needs a folder of its own."""
    cache = tmp_path / "cache"
    binaries.fetch(cache, FakeApt(), tools)
    program(tmp_path / "path" / "alertmanager")
    assert binaries.find(Given(), cache, str(tmp_path / "path")).alertmanager_cwd == ""


def test_a_setting_that_names_nothing_is_an_error(tmp_path):
    """A wrong path is not passed over for another program."""
    with pytest.raises(UsageError, match="prometheus: '/nowhere/prometheus' is no executable file"):
        binaries.locate(Given(prometheus="/nowhere/prometheus"), tmp_path)


def test_a_postgres_folder_names_what_it_lacks(tmp_path):
    """A folder with postgres alone is refused with the names of the other programs."""
    program(tmp_path / "postgres")
    with pytest.raises(UsageError, match="has no initdb, pg_isready, psql"):
        binaries.locate(Given(postgres_bin=str(tmp_path)), tmp_path)


def test_every_missing_part_is_listed_with_its_next_step(tmp_path):
    """An empty cache and an empty PATH: both programs of Debian's packages that a trial needs are named at once."""
    with pytest.raises(MissingPartError) as raised:
        binaries.find(Given(), tmp_path, path=str(tmp_path))
    lines = str(raised.value).splitlines()
    assert lines[0] == "the local stack lacks 2 of 4 parts"
    assert ["prometheus", "alertmanager"] == [line.split(":")[0].strip() for line in lines[1:]]
    assert all("python -m harness.drive.stack.binaries fetches it" in line for line in lines[1:])


def test_a_trial_needs_no_promtool_and_no_amtool(tmp_path):
    """Who has Prometheus and Alertmanager on PATH can run one; doctor says the same."""
    for name in ("prometheus", "alertmanager"):
        program(tmp_path / "path" / name)
    found = binaries.find(Given(), tmp_path / "cache", str(tmp_path / "path"))
    assert ("", "") == (found.promtool, found.amtool)
    assert binaries.FOR_TESTS <= doctor.OPTIONAL


def test_version_is_the_number_that_the_program_prints(tmp_path):
    """A number in the program's own path, which Envoy prints too, is not its version."""
    place = program(tmp_path / "python3.11" / "envoy", 'echo "$0  version: 9e55/1.40.0/Clean"')
    assert binaries.version_of((str(place),)) == "1.40.0"


def test_a_program_that_does_not_run_is_missing(tmp_path):
    """A non-zero exit code is an error with the program's last words."""
    place = program(tmp_path / "broken", "echo no such library >&2; exit 127")
    with pytest.raises(MissingPartError, match="exit code 127: no such library"):
        binaries.version_of((str(place),))
