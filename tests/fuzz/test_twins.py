"""Every kind of engine does as the reference does: the same replies, counts and questions, whatever the steps."""

from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from ipaddress import IPv4Network, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.config.model import Clients, Limits, Rate, Unregistered
from dnsfilter.policy.model import Mode, Policy, Prefix, WireName
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.names import name_text
from tests.contract.cases import office
from tests.fuzz.examples import examples
from tests.fuzz.seeds import ANSWERS, QNAME, QUERIES
from tests.support.engines import GHENT, KINDS, MECHELEN, NO_RATES, ZoneTo, query, running
from tests.support.mutations import mutants, noise
from tests.support.policies import NOW, instants, names_of, network, policies
from tests.support.scripted import Scripted, silent
from tests.support.speech import speeches
from tests.support.twins import Ask, Course, Question, Speak, Step, Stream, Swap, Wait

CLIENTS = (
    "127.0.2.1",
    "127.0.2.70",
    "127.0.2.77",
    "127.0.2.129",
    "127.0.5.10",
    "127.0.7.10",
    "127.0.8.10",
    "127.9.9.9",
)
"""Of the ranges drawn, of the office's, and of none."""
ELSEWHERE = (*CLIENTS, "2001:db8::1", "2001:db8:0:1::53", "2001:db9::1")
STAFF = (network("127.0.5.0/24", "ghent"), network("127.0.7.0/24", "mechelen"))
QTYPES = (
    "A",
    "A",
    "A",
    "A",
    "A",
    "A",
    "AAAA",
    "HTTPS",
    "HTTPS",
    "CNAME",
    "MX",
    "TXT",
    "NS",
    "ANY",
    "RRSIG",
    "TYPE65400",
)
ZONE = "tok"
TEMPTING = (
    "www.tiktok.com.",
    "cdn.example.net.",
    "mask.icloud.com.",
    "x.local.",
    "plain.example.org.",
    "health.dnsfilter.internal.",
)


@dataclass(frozen=True, slots=True)
class Scene:
    """What both are made of, and what happens."""

    policy: Policy
    wall_s: int
    clients: Clients
    limits: Limits
    trust_ad: bool
    conditional: bool
    stale_s: int
    steps: list[Step]


def _on_loopback(drawn: Policy) -> Policy:
    """The policy with the ranges of 192.0.2.0/24 at 127.0.2.0/24, where clients can have sockets, and two more."""

    def moved(prefix: Prefix) -> Prefix:
        if isinstance(prefix, IPv4Network) and prefix.subnet_of(IPv4Network("192.0.2.0/24")):
            return ip_network(f"127.0.{str(prefix).removeprefix('192.0.')}")
        return prefix

    return replace(
        drawn,
        ranges=(*(replace(one, prefix=moved(one.prefix)) for one in drawn.ranges), *STAFF),
        exemptions=tuple(replace(one, ranges=frozenset(map(moved, one.ranges))) for one in drawn.exemptions),
    )


def _text(name: WireName) -> str:
    return f"{name_text(name)}." if len(name) > 1 else "."


def _names(policy: Policy) -> st.SearchStrategy[str]:
    return _often((4, names_of(policy).map(_text)), (1, st.sampled_from(TEMPTING)), (1, st.just(f"{QNAME}.")))


def _asked(name: str, qtype: str, id: int, edns: tuple[bool, int], bits: int) -> bytes:  # noqa: A002
    """A query; of `bits` 1, 2 and 4 are DO, CD and AD, 15 is one without RD, and 16 turns the name's case."""
    has_edns, payload = edns
    swapped = name.swapcase() if bits & 16 else name
    return query(
        swapped,
        qtype,
        rd=bits & 15 != 15,
        edns=0 if has_edns else False,
        payload=payload,
        do=has_edns and bits & 1 > 0,
        cd=bits & 2 > 0,
        ad=bits & 4 > 0,
        id=id,
    )


def _often(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """One of these, each so often; `one_of` takes no weights, and looks into what it is given."""
    return st.sampled_from([choice for weight, choice in choices for _ in range(weight)]).flatmap(lambda one: one)


def _questions(names: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[Question, ...]]:
    """A burst of them, nearly all of them sound."""
    edns = st.sampled_from(((True, 1232), (True, 1232), (False, 0), (True, 512), (True, 4096)))
    bits = st.sampled_from((0,) * 12 + (1, 1, 1, 2, 4, 7, 15, 16, 31))
    sound = st.builds(_asked, names, st.sampled_from(QTYPES), st.integers(0, 65_535), edns, bits)
    mutant, odd = mutants(QUERIES, 2), noise(QUERIES["plain"])
    octets = _often((20, sound), (2, mutant.map(lambda one: one.octets)), (1, odd.map(lambda one: one.octets)))
    by_socket = st.builds(
        Question, st.sampled_from((*CLIENTS, GHENT, GHENT, GHENT, MECHELEN, MECHELEN, MECHELEN)), octets, st.none()
    )
    by_hand = st.builds(Question, st.sampled_from(ELSEWHERE), octets, st.sampled_from(Transport))
    return st.lists(_often((3, by_socket), (1, by_hand)), min_size=1, max_size=3).map(tuple)


@st.composite
def _steps(draw: st.DrawFn, policy: Policy, other: Policy) -> list[Step]:
    anything = _names(policy)
    few = draw(st.lists(anything, min_size=1, max_size=3))
    names = _often((5, st.sampled_from(few)), (1, anything))
    said = _often((6, speeches(names)), (1, mutants(ANSWERS, 1).map(lambda one: one.octets)))
    step = _often(
        (10, st.builds(Ask, _questions(names), _often((1, st.none()), (4, said)))),
        (3, st.builds(Speak, said, st.integers(0, 6), st.sampled_from((False,) * 7 + (True,)))),
        (1, st.builds(Stream, st.one_of(st.none(), said))),
        (2, st.builds(Wait, st.sampled_from((1, 400, 900, 1_200, 3_000, 6_000, 12_000)))),
        (1, st.builds(Swap, st.sampled_from((other, policy)), st.integers(0, 60))),
    )
    steps: list[Step] = draw(st.lists(step, min_size=8, max_size=24))
    return steps


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Arbitrary small scenes around `NOW`."""
    drawn = st.one_of(policies().map(_on_loopback), st.sampled_from((office(), office(mode=Mode.MONITOR, revision=2))))
    policy, other = draw(drawn), draw(drawn)
    everyone = Clients(Unregistered.RESOLVE, (ip_network("127.0.0.0/8"), ip_network("2001:db8::/32")))
    tight = Limits(clients=Rate(1, 3), unregistered=Rate(1, 2), slip=2, waiting=4, waiting_per_client=2)
    return Scene(
        policy,
        draw(st.one_of(st.just(NOW), instants(policy, NOW))),
        draw(st.sampled_from((everyone, everyone, Clients(Unregistered.REFUSE)))),
        draw(
            st.sampled_from((NO_RATES, NO_RATES, NO_RATES, replace(NO_RATES, waiting=3, waiting_per_client=2), tight))
        ),
        draw(st.booleans()),
        draw(st.sampled_from((True, True, False))),
        draw(st.sampled_from((3_600, 5, 0))),
        draw(_steps(policy, other)),
    )


def _course(kind: str, scene: Scene, stack: ExitStack) -> Course:
    upstreams = [Scripted(silent) for _ in range(3 if scene.conditional else 2)]
    conditional = [ZoneTo(ZONE, upstreams[2])] if scene.conditional else []
    rig = stack.enter_context(
        running(
            kind,
            scene.policy,
            *upstreams,
            conditional=conditional,
            clients=scene.clients,
            limits=scene.limits,
            wall_s=scene.wall_s,
            cache_bytes=16_000_000,
            stale_s=scene.stale_s,
            trust_ad=scene.trust_ad,
        )
    )
    return Course(rig, NOW)


def check_scene(kind: str, scene: Scene) -> None:
    """Run a scene with two new engines, and hold each against the other after each step."""
    with ExitStack() as stack:
        reference, twin = (_course(one, scene, stack) for one in ("reference", kind))
        for step in (*scene.steps, *(Wait(2_500),) * 3):
            expected, found = reference.take(step), twin.take(step)
            for part in fields(expected):
                assert getattr(found, part.name) == getattr(expected, part.name), f"{part.name} after {step}"
        assert twin.kept() == reference.kept()


@pytest.mark.parametrize("twin", [kind for kind in KINDS if kind != "reference"])
def test_a_twin_does_as_the_reference_does(twin: str) -> None:
    @examples(60)
    @given(scenes())
    def check(scene: Scene) -> None:
        check_scene(twin, scene)

    check()
