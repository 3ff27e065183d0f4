"""Ask upstreams and the servers of reverse zones before their addresses are written."""

from collections.abc import Mapping, Sequence

from dnsfilter.cli.upstream_questions import UpstreamQuestion, answer_faults
from dnsfilter.config.node_config import Endpoint
from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import ROOT, parse_name

FORCE = "add --force to write it all the same"


def upstream_problems(servers: Sequence[Endpoint]) -> list[str]:
    """Return a problem for each upstream that does not answer, refuses, or does not recurse."""
    found = answer_faults([UpstreamQuestion(server, ROOT, Type.NS) for server in servers])
    return [f"--upstream: {each.text}; {FORCE}" for each in found if each is not None]


def unanswered_zones(zones: Mapping[str, Sequence[Endpoint]]) -> dict[str, str]:
    """Return the reverse zones for which none of their servers answers, with the reason of the first one."""
    asked = [
        (suffix, UpstreamQuestion(server, parse_name(suffix), Type.SOA))
        for suffix, servers in zones.items()
        for server in servers
    ]
    faults: dict[str, list[str]] = {suffix: [] for suffix in zones}
    found = answer_faults([question for _, question in asked])
    for (suffix, _), fault in zip(asked, found, strict=True):
        if fault is not None:
            faults[suffix].append(fault.text)
    return {suffix: texts[0] for suffix, texts in faults.items() if texts and len(texts) == len(zones[suffix])}
