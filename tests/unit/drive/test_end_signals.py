import os
import signal
import threading

import pytest

from harness.drive.end_signals import EndSignals

S_MAX = 5.0


@pytest.fixture
def end():
    taken = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in taken}
    yield EndSignals()
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_wait(end, number):
    """Not before the signal, and at once after it."""
    assert not end.wait(0.0)
    os.kill(os.getpid(), number)
    assert end.wait(S_MAX)


def test_signal_that_another_thread_takes_ends_the_wait(end):
    """The kernel may give a signal to any thread; here the main one blocks it."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        assert end.wait(S_MAX)
    finally:
        over.set()
        thread.join()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])


def test_end_stays_asked_for(end):
    """Asking more often than a pipe holds blocks nobody and takes nothing back."""
    for _ in range(100_000):  # more than a pipe holds
        end.ask()
    assert end.wait(S_MAX)
    assert end.wait(0.0)
