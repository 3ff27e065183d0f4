"""The first day: one command frees a name that should not have been refused, one refuses another, as `dig` sees it."""

import pytest

from tests.support.nodes import SingleMachine, eventually

pytestmark = pytest.mark.heavy

GHENT = "127.0.5.10"
REASON = ("--reason", "the first day")


def _rcode(machine: SingleMachine, name: str) -> str:
    return machine.dig(name, bind=GHENT).rcode


def _done(machine: SingleMachine, *words: str) -> str:
    ended = machine.ctl("name", *words)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_one_command_frees_or_refuses_a_name_and_another_undoes_it(fresh_machine: SingleMachine) -> None:
    machine = fresh_machine
    assert _rcode(machine, "www.tiktok.com") == "REFUSED"
    _done(machine, "allow", "ghent", "https://www.tiktok.com/@museum", *REASON)
    assert eventually(lambda: _rcode(machine, "www.tiktok.com") == "NOERROR")
    assert _rcode(machine, "tiktok.com") == "REFUSED"
    assert machine.metrics()['dnsfilter_exempted_total{authority="ghent",service="tiktok"}'] >= 1
    _done(machine, "remove", "ghent", "www.tiktok.com")
    assert eventually(lambda: _rcode(machine, "www.tiktok.com") == "REFUSED")
    shown = _done(machine, "refuse", "ghent", "www.example.com", "--for", "7d", *REASON)
    assert shown.splitlines()[-1].endswith("dnsfilterctl name remove ghent www.example.com")
    assert eventually(lambda: _rcode(machine, "www.example.com") == "REFUSED")
    (error,) = machine.dig("www.example.com", bind=GHENT).ede
    assert (error.code, "www.example.com" in error.text) == (15, True)
    assert machine.metrics()['dnsfilter_refused_total{authority="ghent",service="www.example.com"}'] >= 2
    _done(machine, "remove", "ghent", "www.example.com")
    assert eventually(lambda: _rcode(machine, "www.example.com") != "REFUSED")
