"""The schema of a policy file: keys, types, limits and defaults. Rules about several keys are in `policyfile.py`."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, ClassVar, TypeAlias

from pydantic import Field, PlainValidator

from dnsfilter.config.file_schema import (
    MAX_ITEMS,
    ASpan,
    Day,
    DayOrInstant,
    Names,
    Prefixes,
    Start,
    Table,
    Text,
    parsed_text,
    word,
)
from dnsfilter.config.values import read_date_text, read_range, read_texts, read_token
from dnsfilter.policy.bounds import MAX_FLEET_NAMES, MAX_LIST_TERMS, MAX_LIST_VERSIONS, MAX_LISTED
from dnsfilter.policy.faults import usage_fault
from dnsfilter.policy.fleets import MAX_NUMBER
from dnsfilter.policy.model import Address, Audience, Funding, Ground, Kind, Mode, Prefix, Reply, Usage, WireName
from dnsfilter.policy.prohibited_lists import LinkGround
from dnsfilter.policy.single_names import NameVerdict, parse_single_name

Services: TypeAlias = Annotated[list[Text], Field(max_length=MAX_LISTED)]


class ClosedDecisionTable(Table):
    organ: Text = ""
    reference: Text = ""
    date: Annotated[str, PlainValidator(read_date_text)] = ""
    legal_basis: Text = ""
    advice: Text = ""
    link: Text = ""


class DecisionTable(ClosedDecisionTable):
    follows: Text | None = None


class AuthorityTable(Table):
    slug: Text
    kind: Annotated[Kind, word(Kind)]
    names: dict[str, Text]
    languages: list[Text]
    time_zone: Text
    contact: Text
    usage: Annotated[Usage, word(Usage, usage_fault)] = Usage.AUTHORITY
    group: Text = ""
    public_register: bool = False
    filtering_database: Text = ""
    closes: DayOrInstant | None = None
    closed_reason: Text = ""
    closed_decision: ClosedDecisionTable = ClosedDecisionTable()
    successor: Text | None = None


class SiteTable(Table):
    slug: Text
    name: Text = ""


class RangeTable(Table):
    prefix: Annotated[Prefix, parsed_text(read_range)]
    authority: Text
    site: Text = "default"
    label: Text = ""
    funding: Annotated[Funding, word(Funding)]
    audience: Annotated[Audience, word(Audience)]


class FleetNameTable(Table):
    token: Annotated[str, parsed_text(read_token)]
    from_: Annotated[DayOrInstant | None, Field(alias="from")] = None
    until: Day | None = None
    end: DayOrInstant | None = None


class FleetTable(Table):
    """A range of devices outside the office, with the names by which they ask."""

    authority: Text
    site: Text = "default"
    label: Text
    funding: Annotated[Funding, word(Funding)]
    audience: Annotated[Audience, word(Audience)]
    number: Annotated[int | None, Field(ge=1, le=MAX_NUMBER)] = None
    names: Annotated[list[FleetNameTable | None], Field(max_length=MAX_FLEET_NAMES)] = []


class ServiceTable(Table):
    """An authority's own service. `domains` match a name and all below it; `hosts` match one name exactly."""

    authority: Text
    slug: Text
    name: Text
    source: Text = ""
    note: Text = ""
    domains: Names = []
    hosts: Names = []


class IntervalTable(Table):
    """From `start` to at most one of `until` (a day, inclusive), `end` (an instant, exclusive) and `for`."""

    start: Start
    until: Day | None = None
    end: DayOrInstant | None = None
    for_: Annotated[ASpan | None, Field(alias="for")] = None


class ReviewedTable(IntervalTable):
    """An interval, or one without an end but with a date of review."""

    review_by: DayOrInstant | None = None
    review_in: ASpan | None = None


class TermTable(ReviewedTable):
    decision: DecisionTable = DecisionTable()


class ScopeTable(Table):
    """How a ban refuses, and what it covers."""

    reply: Annotated[Reply, word(Reply)] = Reply.REFUSED
    addresses: list[Annotated[Address, parsed_text(ip_address)] | None] = []
    tiers: list[Annotated[int, Field(ge=1, le=99)] | None] = [1, 2]
    funding: list[Annotated[Funding, word(Funding)] | None] = [Funding.PUBLIC, Funding.PARTLY_PUBLIC]
    audience: list[Annotated[Audience, word(Audience)] | None] = [Audience.STAFF]


class BanTable(ScopeTable):
    authority: Text
    service: Text
    mode: Annotated[Mode, word(Mode)]
    off_until: DayOrInstant | None = None
    provisional: bool = False
    from_list: Annotated[Text | None, Field(alias="list")] = None
    list_version: Annotated[int | None, Field(ge=1, le=MAX_LIST_VERSIONS)] = None
    decision: DecisionTable = DecisionTable()
    term: Annotated[list[TermTable | None], Field(max_length=1000)] = []


class ListVersionTable(ScopeTable):
    """What a formal decision adds to a list and takes off it. It makes bans on `adds`, but not on those in `except`."""

    adds: Services = []
    removes: Services = []
    without: Annotated[Services, Field(alias="except")] = []
    mode: Annotated[Mode, word(Mode)] = Mode.ENFORCE
    decision: ClosedDecisionTable = ClosedDecisionTable()
    term: Annotated[list[ReviewedTable | None], Field(max_length=MAX_LIST_TERMS)] = []


class ListTable(Table):
    """A prohibited list. `services` are those of a list without a version."""

    authority: Text
    slug: Text
    title: Text = ""
    category: Annotated[str, Field(max_length=32)] = ""
    services: Services = []
    declined: Services = []
    version: Annotated[list[ListVersionTable | None], Field(max_length=MAX_LIST_VERSIONS)] = []


class ListLinkTable(IntervalTable):
    """A link of a list to another authority. It brings no binding of the ban on a service in `except`."""

    prohibited_list: Annotated[Text, Field(alias="list")]
    authority: Text
    ground: Annotated[LinkGround, word(LinkGround)]
    instrument: Text = ""
    date: Annotated[str, PlainValidator(read_date_text)] = ""
    new_names_at_once: bool = False
    without: Annotated[Services, Field(alias="except")] = []


class BindingTable(IntervalTable):
    authority: Text
    of: Text
    service: Text
    ground: Annotated[Ground, word(Ground)]
    instrument: Text = ""
    date: Annotated[str, PlainValidator(read_date_text)] = ""
    accepted: bool = True
    from_list: Annotated[Text | None, Field(alias="list")] = None
    new_names_at_once: bool = False


class ExemptionTable(IntervalTable):
    of: Text
    service: Text
    ranges: Prefixes
    site: Text = "default"
    hours: Annotated[tuple[str, ...], PlainValidator(read_texts)] = ()
    time_zone: Text = ""
    reason: Text = ""
    approved: bool = True


class NameTable(ReviewedTable):
    authority: Text
    name: Annotated[WireName, parsed_text(parse_single_name)]
    verdict: Annotated[NameVerdict, word(NameVerdict)]
    exact: bool = False
    reason: Text = ""


class PolicyFile(Table):
    """policy.toml."""

    authority: Annotated[list[AuthorityTable | None], Field(max_length=MAX_ITEMS)] = []
    site: Annotated[list[SiteTable | None], Field(max_length=MAX_ITEMS)] = []
    range: Annotated[list[RangeTable | None], Field(max_length=MAX_ITEMS)] = []
    fleet: Annotated[list[FleetTable | None], Field(max_length=MAX_ITEMS)] = []
    service: Annotated[list[ServiceTable | None], Field(max_length=MAX_ITEMS)] = []
    ban: Annotated[list[BanTable | None], Field(max_length=MAX_ITEMS)] = []
    lists: Annotated[list[ListTable | None], Field(alias="list", max_length=MAX_ITEMS)] = []
    list_link: Annotated[list[ListLinkTable | None], Field(max_length=MAX_ITEMS)] = []
    binding: Annotated[list[BindingTable | None], Field(max_length=MAX_ITEMS)] = []
    exemption: Annotated[list[ExemptionTable | None], Field(max_length=MAX_ITEMS)] = []
    name: Annotated[list[NameTable | None], Field(max_length=MAX_ITEMS)] = []

    harmless: ClassVar[Mapping[str, object]] = {
        "kind": "agency",
        "names": {"en": "?"},
        "languages": ["en"],
        "time_zone": "UTC",
        "contact": "?",
        "funding": "public",
        "audience": "staff",
        "mode": "off",
        "ground": "law",
        "verdict": "allow",
        "label": "?",
    }
