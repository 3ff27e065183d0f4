"""Arbitrary policies: the engine refuses exactly what the readable oracle of the policy refuses."""

from ipaddress import ip_address

import dns.message
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.engine.interface import Miss, Reply
from dnsfilter.policy.decide import Verdict, decide
from dnsfilter.policy.model import DEFAULT_SITE, Policy
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.names import name_text
from tests.fuzz.examples import examples
from tests.support.engines import edes, query, running
from tests.support.policies import NOW, clients_of, instants, names_of, policies
from tests.support.scripted import Scripted, silent


@examples(40)
@given(policies(), st.data())
def test_the_engine_refuses_what_the_oracle_refuses(kind: str, policy: Policy, draw: st.DataObject) -> None:
    with running(kind, policy, Scripted(silent)) as rig:
        for _ in range(12):
            client, name = draw.draw(clients_of(policy)), draw.draw(names_of(policy))
            at = draw.draw(instants(policy))
            # The engine does not trust a clock that is more than a minute before the snapshot.
            expected = decide(policy, DEFAULT_SITE, client, name, at if at >= NOW - 60 else NOW)
            # An address of a single label would be denied here, with any policy.
            wire = query(name_text(name), "TXT", id=7)
            outcome = rig.engine.answer(wire, ip_address(client).packed, Transport.UDP, at, rig.clock.boot_ms)
            if expected.authority is None and not expected.admitted:
                assert isinstance(outcome, Reply)
                assert edes(dns.message.from_wire(outcome.message)) == [(18, "")]
            elif expected.verdict is Verdict.REFUSE:
                assert isinstance(outcome, Reply)
                codes = [code for code, _ in edes(dns.message.from_wire(outcome.message))]
                assert codes[0] == (16 if expected.bound else 15)
            else:
                assert isinstance(outcome, Miss)
