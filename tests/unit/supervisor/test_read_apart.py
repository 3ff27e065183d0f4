"""A node reads its files in a process of their own, and reports what is wrong as if it had read them itself."""

import os
import signal
from pathlib import Path

import pytest

from dnsfilter.errors import ConfigError, Problem, SnapshotError, UnavailableError
from dnsfilter.supervisor.read_apart import in_fork, parse, parse_apart

EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "dnsfilter.toml"


def failing(error: Exception) -> bytes:
    raise error


def test_a_configuration_is_read_as_in_this_process() -> None:
    assert parse_apart(EXAMPLE.read_text(), EXAMPLE) == parse(EXAMPLE.read_text(), EXAMPLE)


def test_every_problem_of_a_configuration_is_raised() -> None:
    text = 'workers = 0\nlisten = ["nowhere"]\n'
    with pytest.raises(ConfigError) as here:
        parse(text, EXAMPLE)
    with pytest.raises(ConfigError) as apart:
        parse_apart(text, EXAMPLE)
    assert apart.value.problems == here.value.problems
    assert len(here.value.problems) == 2


def test_a_result_larger_than_a_pipe_arrives() -> None:
    assert in_fork(lambda: bytes(1 << 20)) == bytes(1 << 20)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ConfigError((Problem("a.toml:1", "is wrong"),)), "a.toml:1: is wrong"),
        (UnavailableError("write store: disk full"), "write store: disk full"),
        (SnapshotError("rules: truncated"), "rules: truncated"),
        (ZeroDivisionError("here"), "a process of this start failed: status 1"),
    ],
)
def test_what_fails_apart_fails_here(error: Exception, expected: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((ConfigError, UnavailableError), match=expected):
        in_fork(lambda: failing(error))
    assert ("ZeroDivisionError: here" in capfd.readouterr().err) == isinstance(error, ZeroDivisionError)


def test_an_end_by_a_signal_is_an_error() -> None:
    with pytest.raises(UnavailableError, match="a process of this start failed: status -9"):
        in_fork(killed)


def killed() -> bytes:
    os.kill(os.getpid(), signal.SIGKILL)
    return b""
