"""Prefixes as requests write them."""

from ipaddress import ip_network
from typing import Annotated

from pydantic import Field, StringConstraints

from api.errors import Invalid
from api.rangefile import why_no_prefix
from dnsfilter.policy.check import prefix_fault
from dnsfilter.policy.model import Prefix

PrefixText = Annotated[str, StringConstraints(min_length=2, max_length=43), Field(examples=["192.0.2.0/24"])]


def parse_prefix(text: str, place: str) -> Prefix:
    """A prefix in canonical form; raises Invalid for host bits, a scope id, mapped and link-local prefixes."""
    try:
        prefix = ip_network(text)
    except ValueError as error:
        raise Invalid.at(place, why_no_prefix(text)) from error
    fault = prefix_fault(prefix)
    if fault is not None:
        raise Invalid.at(place, f"{prefix} {fault}")
    return prefix
