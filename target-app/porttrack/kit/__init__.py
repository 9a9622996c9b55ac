"""PortTrack's drill kit: what a drill must know about this service.

Which requests to send (`load` and `load_work`, on top of `fleet` and `profiles`), how to find every write again
through the service (`service_read`) and in its store (`store_read`), what it looks like then (`stored`), what must hold
over the stored rows (`invariants`), when nothing moves any more, and how to take the rows out again. Of the harness
it knows the target port and nothing else; of the service nothing but its public interface, its control port and its
tables: an oracle that shares code with what it judges shares its mistakes.

Store rights: the reader needs SELECT and pg_read_all_stats, the purging user DELETE.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from harness.drive.target.port import (
    STORE,
    DriveError,
    Instance,
    LoadKit,
    Place,
    ProcessSpec,
    Profile,
    Quiescence,
    ReadBackWanted,
    StoredWrite,
)
from porttrack.kit.profiles import PORTS, PROFILES

if TYPE_CHECKING:
    from porttrack.kit.invariants import Broken

MIGRATE: Final = "migrate"
CONTROL_S_MAX: Final = 2.0  # a control port answers in a millisecond unless its process hangs


class _Health(msgspec.Struct):
    version: str


class _InFlight(msgspec.Struct):
    in_flight: int


class PortTrackKit:
    """TargetKit of PortTrack. `control_token` opens the instances' control ports; only `quiesce` needs it."""

    name = "porttrack"
    profiles: Mapping[str, Profile] = PROFILES
    needs_postgres = True
    has_sidecar = False
    has_store = True

    def __init__(self, control_token: str = "") -> None:
        self._control_token = control_token

    def local_processes(self, place: Place) -> tuple[ProcessSpec, ...]:
        """The migrations, then every instance with the release of its track."""
        return (_migrate(place), *(_serve(place, instance) for instance in place.instances))

    def build_load(self, profile: Profile, seed: int) -> LoadKit:
        """The kit for the load process. The fleet follows the profile's name, whatever its rate and users are."""
        # Imported when asked for, as below: the load process needs no PostgreSQL client, the control no fleet.
        from porttrack.kit.load import PortTrackLoad

        assert profile.name in PORTS, f"profile {profile.name!r} has no port; known: {', '.join(PORTS)}"
        return PortTrackLoad(profile, seed)

    def identify(self, instance: Instance) -> str:
        """The release in the instance's /health. DriveError when it does not answer."""
        from porttrack.kit import http

        answer = http.get(instance.url, "/health", call_s_max=CONTROL_S_MAX)
        return http.decoded(answer, _Health).version

    def read_back(self, instance: Instance, wanted: ReadBackWanted) -> Iterator[StoredWrite]:
        """See TargetKit; some 1,000 GETs and 25,000 rows in under 3 s after a minute of profile M."""
        from porttrack.kit.service_read import read_back

        return read_back(instance, wanted)

    def store_scan(self, store_dsn: str, run_id: str) -> Iterator[StoredWrite]:
        """See TargetKit."""
        from porttrack.kit.store_read import store_scan

        return store_scan(store_dsn, run_id)

    def invariants(self, store_dsn: str, run_id: str) -> Iterator[Broken]:
        """Every broken invariant over the run's rows in the store. DriveError as `store_scan`."""
        from porttrack.kit import invariants
        from porttrack.kit.store_read import stored_rows

        yield from invariants.broken(stored_rows(store_dsn, run_id))

    def quiesce(self, instances: Sequence[Instance], store_dsn: str) -> Quiescence:
        """See TargetKit. DriveError for an instance without a control port: what cannot be seen is not quiet."""
        from porttrack.kit.store_read import open_transactions

        in_flight = {instance.name: self._in_flight(instance) for instance in instances}
        return Quiescence(in_flight, open_transactions(store_dsn))

    def purge(self, store_dsn: str, run_id: str) -> int:
        """See TargetKit."""
        from porttrack.kit.store_read import purge

        return purge(store_dsn, run_id)

    def count_rows(self, store_dsn: str, run_id: str) -> int:
        """See TargetKit."""
        from porttrack.kit.store_read import count_rows

        return count_rows(store_dsn, run_id)

    def _in_flight(self, instance: Instance) -> int:
        from porttrack.kit import http

        if not instance.control_url:
            raise DriveError(
                f"instance {instance.name!r} has no control port: its in-flight requests cannot be counted"
            )
        headers = {"authorization": f"Bearer {self._control_token}"}
        answer = http.get(instance.control_url, "/in-flight", headers, CONTROL_S_MAX)
        return http.decoded(answer, _InFlight).in_flight


def _migrate(place: Place) -> ProcessSpec:
    return ProcessSpec(
        name=MIGRATE,
        argv=(place.python, "-m", "porttrack.migrate", "--dsn", place.store_dsn, "--to", "head"),
        env={"PORTTRACK_DSN": place.store_dsn},
        ready_s_max=30.0,
        run_once=True,
        after=(STORE,),
    )


def _serve(place: Place, instance: Instance) -> ProcessSpec:
    service, control = urlsplit(instance.url), urlsplit(instance.control_url)
    assert service.port, instance
    assert control.port, instance
    return ProcessSpec(
        name=instance.name,
        argv=(
            *(place.python, "-m", "porttrack.serve", "--release", place.releases[instance.track]),
            *("--instance", instance.name, "--host", str(service.hostname)),
            *("--port", str(service.port), "--control-port", str(control.port)),
        ),
        env={"PORTTRACK_DSN": place.store_dsn, "PORTTRACK_CONTROL_TOKEN": place.control_token},
        ports=(service.port, control.port),
        ready_url=f"{instance.url}/health",
        stop_s_max=9.0,  # the service drains for 8 s at most
        after=(MIGRATE,),
    )
