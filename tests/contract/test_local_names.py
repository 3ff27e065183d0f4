"""Names that a node refuses by itself: both kinds of engine answer and count as with a ban of the policy on them."""

from dnsfilter.policy.model import DEFAULT_SITE
from dnsfilter.policy.single_names import LocalName, NameVerdict
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.manifest import FileRef
from dnsfilter.snapshot.name_overlay import overlay_bans, overlay_refused_names
from dnsfilter.snapshot.overlay import overlay_manifest
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.wire.names import parse_name
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, MECHELEN, Rig, edes, query
from tests.support.policies import HOUR, NOW
from tests.support.starting import Start

PLAIN = "plain.example.org"
REFUSED = LocalName("ghent", parse_name("example.org"), False, NameVerdict.REFUSE, NOW, NOW + HOUR, "phishing")


def refuse_here(rig: Rig, *names: LocalName) -> None:
    """Give the engine the snapshot that it has, with these names refused."""
    made = compile_policy(office(), NOW)
    file = overlay_refused_names(made.names.data, names)
    data = made.names.data if file is None else file.data
    rules = overlay_bans(made.rules.data, data, names, NOW)
    manifest = overlay_manifest(made.manifest, rules, None if file is None else FileRef(file.digest, len(file.data)))
    rig.snapshot = Snapshot.open(manifest, data, made.ranges.data, rules, DEFAULT_SITE)
    rig.engine.swap(rig.snapshot)


def outcome(rig: Rig, name: str, client: str) -> tuple[int, list[int]]:
    answer = rig.ask(query(name), client)
    return int(answer.rcode()), [code for code, _ in edes(answer)]


def test_refused_name_is_refused_from_the_cache_too_until_its_end(start: Start) -> None:
    rig = start(office(), internet())
    assert outcome(rig, PLAIN, GHENT) == (0, [])
    refuse_here(rig, REFUSED)
    assert outcome(rig, PLAIN, GHENT) == (5, [15])
    assert outcome(rig, "www.tiktok.com", GHENT) == (5, [15])
    assert outcome(rig, PLAIN, MECHELEN) == (0, [])
    rig.clock.now_s = NOW + HOUR
    assert outcome(rig, PLAIN, GHENT) == (0, [])


def test_refused_name_is_counted_by_itself(start: Start) -> None:
    rig = start(office(), internet())
    refuse_here(rig, REFUSED)
    outcome(rig, PLAIN, GHENT)
    assert {key: found for key, found in rig.pairs().items() if any(found)} == {("ghent", "example.org"): (1, 0, 0)}


def test_answer_that_leads_to_a_refused_name_is_refused(start: Start) -> None:
    rig = start(office(), internet())
    refuse_here(rig, LocalName("mechelen", parse_name("www.tiktok.com"), True, NameVerdict.REFUSE, NOW, NOW + HOUR))
    assert outcome(rig, "www.tiktok.com", MECHELEN) == (5, [15])
    assert outcome(rig, "video.example.org", MECHELEN) == (5, [15])
