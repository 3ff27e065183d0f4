"""A second resolver next to this node: a client that is refused asks it, and the ban has no effect."""

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.cli.doctor.resolvers import is_this_node, resolver_lists
from dnsfilter.cli.running.asking import ask
from dnsfilter.config.node_config import DNS_PORT, Endpoint
from dnsfilter.engine.slow_path.local import PROBE_NAME
from dnsfilter.errors import UnavailableError
from dnsfilter.wire.iana import Rcode, Type

GUIDE = "docs/guide/which-reply.md"
UNTIL_THEN = f'until then set reply = "nodata" for the ban, which keeps most clients here: {GUIDE}'
NOTE = (
    f"no list of this machine names another resolver next to this node; lists of other machines are not seen: {GUIDE}"
)


def other_resolvers(subject: Subject) -> Outcome:
    """Find lists of resolvers that name this node and another one without its policy."""
    findings = dict[Finding, None]()
    for each in resolver_lists(subject):
        others = [address for address in each.addresses if not is_this_node(subject.config, address)]
        if len(others) == len(each.addresses):
            continue
        for address in others:
            if not is_a_node(Endpoint(address, DNS_PORT)):
                text = f"{each.path} names {address} next to this node: clients that are refused ask it"
                advice = f"remove {address} from DHCP, from router advertisements and from {each.path}; {UNTIL_THEN}"
                findings[Finding(text, advice)] = None
    return Outcome(tuple(findings), NOTE)


def is_a_node(endpoint: Endpoint) -> bool:
    """Return whether a node answers there: only nodes have the name of the probe, and every client may ask for it."""
    try:
        answer = ask(endpoint, PROBE_NAME, Type.TXT)
    except UnavailableError:
        return False
    return answer.rcode == Rcode.NOERROR and bool(answer.section(0))
