"""Leases of loopback ports."""

from __future__ import annotations

import random
import socket

import pytest

from harness.drive.stack import ports
from harness.errors import DriveError, UsageError


def test_leased_ports_are_distinct_and_in_the_range(tmp_path):
    """Twenty ports, all different, all within the range."""
    with ports.reserve(20, tmp_path) as lease:
        assert len(set(lease.ports)) == 20
        assert all(ports.PORT_FIRST <= port <= ports.PORT_LAST for port in lease.ports)


def test_two_leases_never_share_a_port(tmp_path):
    """The second lease, starting its search at the same place, gets other ports."""
    with (
        ports.reserve(5, tmp_path, order=random.Random(1)) as first,
        ports.reserve(5, tmp_path, order=random.Random(1)) as second,
    ):
        assert set() == set(first.ports) & set(second.ports)


def test_released_ports_can_be_leased_again(tmp_path):
    """After the lease is left the same search finds the same ports."""
    with ports.reserve(3, tmp_path, order=random.Random(1)) as lease:
        first = lease.ports
    with ports.reserve(3, tmp_path, order=random.Random(1)) as lease:
        assert first == lease.ports


def test_a_fixed_port_comes_first(tmp_path):
    """The given port is the lease's first."""
    with ports.reserve(1, tmp_path) as free:
        (port,) = free.ports
    with ports.reserve(1, tmp_path, fixed=[port]) as lease:
        assert port == lease.ports[0]
        assert len(lease.ports) == 2


def test_a_fixed_port_that_another_trial_holds_is_refused(tmp_path):
    """A locked port is in use although nobody listens yet; the message names it and the next step."""
    with ports.reserve(1, tmp_path) as lease:
        (port,) = lease.ports
        with pytest.raises(UsageError, match=rf"port {port}: in use on 127.0.0.1; free it .* or name another"):
            ports.reserve(0, tmp_path, fixed=[port])


def test_a_port_on_which_somebody_listens_is_refused_and_passed_over(tmp_path):
    """A server that knows no lock files is noticed by the bind test, and the search takes another port."""
    with ports.reserve(1, tmp_path, order=random.Random(1)) as lease:
        (port,) = lease.ports
    with socket.create_server(("127.0.0.1", port)):
        with pytest.raises(UsageError, match=f"port {port}"):
            ports.reserve(0, tmp_path, fixed=[port])
        with ports.reserve(1, tmp_path, order=random.Random(1)) as lease:
            assert port != lease.ports[0]


def test_a_refused_lease_gives_back_what_it_had(tmp_path):
    """When the second fixed port is in use, the first one is free again."""
    with ports.reserve(2, tmp_path) as free:
        first, second = free.ports
    with ports.reserve(0, tmp_path, fixed=[second]):
        with pytest.raises(UsageError):
            ports.reserve(0, tmp_path, fixed=[first, second])
        with ports.reserve(0, tmp_path, fixed=[first]) as lease:
            assert lease.ports == (first,)


def test_an_exhausted_range_is_an_error(tmp_path, monkeypatch):
    """Fewer free ports than wanted: the error says how many there are, and nothing stays locked."""
    monkeypatch.setattr(ports, "PORT_LAST", ports.PORT_FIRST + 3)
    with pytest.raises(DriveError, match="of 5 ports are free in 20000-20003"):
        ports.reserve(5, tmp_path)
    with ports.reserve(1, tmp_path) as lease:
        assert len(lease.ports) == 1


def test_a_lease_has_one_open_lock_for_each_port(tmp_path):
    """A child that inherits the descriptors goes on holding the ports; releasing twice does no harm."""
    lease = ports.reserve(3, tmp_path)
    assert len(lease.fds) == 3
    lease.release()
    lease.release()
    assert lease.fds == ()
