import signal

import pytest

from harness.chaos.control import _End


@pytest.fixture
def handlers():
    taken = (signal.SIGTERM, signal.SIGUSR1)
    before = {number: signal.getsignal(number) for number in taken}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGUSR1])
def test_first_signal_ends_the_experiment_and_no_other_raises(handlers, first):
    """Chaos Toolkit runs the rollbacks for this exit; a second raise would be its exit code."""
    end = _End()
    with pytest.raises(SystemExit) as ended:
        signal.raise_signal(first)
    assert ended.value.code == 20
    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGUSR1)
    end.part_died("envoy")


def test_part_that_died_ends_the_experiment(handlers):
    """A dead part is a reason to end like a signal."""
    with pytest.raises(SystemExit):
        _End().part_died("envoy")
