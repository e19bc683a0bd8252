"""Starting, stopping and killing children."""

import signal
import sys

import pytest

from tests.rig.processes import HERE, Process, answers, free_port, until


@pytest.fixture
def server(tmp_path):
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", HERE]
    process = Process(command, f"http://{HERE}:{port}/nothing-here", tmp_path / "log", folder=tmp_path)
    yield process
    process.kill()


def test_a_started_process_answers_with_whatever_status(server):
    server.start()
    assert server.running()
    assert answers(server.url)
    assert "404" in server.last_words()


def test_a_stopped_process_can_be_started_again(server):
    server.start()
    assert server.stop() == -signal.SIGTERM
    assert not server.running()
    assert server.start().running()


def test_a_killed_process_is_gone(server):
    server.start()
    server.kill()
    assert not server.running()
    assert not answers(server.url)


def test_a_process_that_dies_at_once_tells_its_last_words(tmp_path):
    command = [sys.executable, "-c", "raise SystemExit('out of luck')"]
    with pytest.raises(AssertionError, match="ended with 1\nout of luck"):
        Process(command, f"http://{HERE}:{free_port()}/", tmp_path / "log").start()


def test_a_process_that_does_not_want_to_end_is_killed(server, tmp_path):
    script = "import signal, runpy, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); sys.argv = sys.argv[1:]; "
    script += "runpy.run_module('http.server', run_name='__main__')"
    server.command = [sys.executable, "-c", script, "http.server", str(server.port), "--bind", HERE]
    server.start()
    with pytest.raises(AssertionError, match="did not end"):
        server.stop(within=0.2)
    assert not server.running()


def test_waiting_ends_with_the_value():
    values = iter([0, None, 7])
    assert until(lambda: next(values), every=0) == 7


def test_waiting_in_vain_says_for_what():
    with pytest.raises(AssertionError, match="pigs fly; the last value was 0"):
        until(lambda: 0, seconds=0.1, saying="pigs fly")
