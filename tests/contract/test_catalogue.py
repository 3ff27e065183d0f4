"""The packaged catalogue on each engine: a client under bans of all services, at their default tiers."""

from blocklists.catalogue import load_catalogue
from blocklists.guard import load_guard
from dnsfilter.engine.interface import Reply
from dnsfilter.policy.model import DEFAULT_TIERS, WireName
from dnsfilter.wire.names import name_text
from tests.support.engines import GHENT, MECHELEN, Rig
from tests.support.policies import ban, network, policy
from tests.support.scripted import Scripted, silent
from tests.support.starting import Start

SERVICES = load_catalogue().services
BELOW = b"\5below"


def everything_banned(start: Start) -> Rig:
    """Start an engine on which Ghent bans every service, and Mechelen nothing."""
    bans = [ban(number, "ghent", service.slug) for number, service in enumerate(SERVICES, 1)]
    ranges = (network("127.0.5.0/24", "ghent"), network("127.0.7.0/24", "mechelen"))
    return start(policy(*ranges, *SERVICES, *bans), Scripted(silent))


def is_refused(rig: Rig, name: WireName, client: str = GHENT) -> bool:
    """Return whether a question for an address gets the response code REFUSED."""
    question = b"\0\1\1\0\0\1\0\0\0\0\0\0" + name + b"\0\1\0\1"
    outcome = rig.judge(question, client)
    return isinstance(outcome, Reply) and outcome.message[3] & 0xF == 5


def test_every_name_of_the_default_tiers_is_refused_to_a_banned_client_alone(start: Start) -> None:
    rig = everything_banned(start)
    tiers = [tier for service in SERVICES for tier in service.tiers if tier.number in DEFAULT_TIERS]
    names = {name for tier in tiers for name in tier.domains | tier.hosts}
    names |= {BELOW + name for tier in tiers for name in tier.domains}
    assert [name_text(name) for name in names if not is_refused(rig, name)] == []
    assert [name_text(name) for name in names if is_refused(rig, name, MECHELEN)] == []


def test_no_guarded_name_is_refused_under_bans_of_all_services(start: Start) -> None:
    rig = everything_banned(start)
    guard = load_guard()
    names = {*guard.exact, *(BELOW + name for name in guard.subtrees)}
    assert [name_text(name) for name in names if is_refused(rig, name)] == []
