"""Phrases of reports in English, and their translations: a change also requires a change in `api/locale/*/reports.po`.

Terms of the law are those of notices: besluit, décision, Beschluss.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache

from api.locale.translations import FALLBACK, translations
from api.report.schemas import Language, ReportRead

DOMAIN = "reports"


@dataclass(frozen=True, slots=True)
class Phrases:
    """The phrases of a report. `{…}` is filled in."""

    title_ban: str = "Report on the ban on {service}"
    title_study: str = "Study of services that are only monitored"
    period: str = "{first} through {last}"
    times_in: str = "Times are in the time zone {zone}. An end without a time of day is the last day."
    no_services: str = "No service was only monitored in this time."
    summary: str = "Summary"
    conclude_never: str = "In this time no ban on {service} was in force."
    conclude_held: str = "The ban on {service} was in force for {length}."
    conclude_no_ban: str = "For {length} there was no ban."
    conclude_gaps: str = "For {length} of its time in force it refused nobody, because it was off or suspended."
    conclude_partly: str = (
        "For {length} it did not refuse some clients, because a node was suspended or an act took them out of its "
        "scope."
    )
    conclude_monitored: str = "For {length} it only counted queries and answered them."
    conclude_addressed: str = "For {length} it answered with the addresses that it gives, not with a refusal."
    conclude_refused: str = "Through {day}, queries refused: {queries}."
    conclude_study: str = "Services that were only monitored in this time, not refused: {count}."
    data_until: str = "Data until"
    counted_through: str = "Queries counted through"
    no_day: str = "no day is over"
    sign_name: str = "Name"
    sign_function: str = "Function"
    sign_date: str = "Place and date"
    sign_signature: str = "Signature"
    authority: str = "Authority"
    service: str = "Service"
    time: str = "Time of the report"
    in_force_for: str = "Term in force"
    no_effect_for: str = "Of which without effect"
    partly_for: str = "Of which without effect for some clients"
    addressed_for: str = "Of which with addresses as reply"
    no_ban_for: str = "No ban"
    only_monitored_for: str = "Of which only monitored"
    refused_total: str = "Queries refused"
    refused_there: str = "Queries refused ({authority})"
    monitored_total: str = "Queries monitored (answered and counted)"
    exempted_total: str = "Queries answered because of an exemption"
    duration: str = "{days} d {hours} h {minutes} min"
    duration_of_hours: str = "{hours} h {minutes} min"
    duration_of_minutes: str = "{minutes} min"

    decision: str = "Formal decision"
    no_decision: str = "No formal decision is recorded."
    is_provisional: str = "The ban is provisional: it applies without a formal decision for 72 hours."
    organ: str = "Organ"
    reference: str = "Reference"
    date: str = "Date"
    legal_basis: str = "Legal basis"
    advice: str = "Advice"
    link: str = "Link"
    follows: str = "Follows the ban"
    scope: str = "Scope"
    reply: str = "Reply to refused queries"
    addresses: str = "Addresses"
    tiers: str = "Tiers of the service"
    funding: str = "Devices paid for with"
    audience: str = "Devices used by"
    scope_changes: str = "Changes of scope and reply"
    changed: str = "Changed"
    before: str = "Before"
    after: str = "After"

    terms: str = "Terms"
    number: str = "No."
    start: str = "From"
    end: str = "Until"
    review: str = "Review by"
    recorded: str = "Recorded"
    ended_early: str = "Ended early"
    endless: str = "without an end date"

    modes: str = "Modes and times in force"
    modes_chart: str = "Times in which the ban was in force"
    modes_described: str = "One row for terms, one for modes, one for times without effect. The tables give the same."
    no_effect: str = "Without effect"
    for_some: str = "without effect for some"
    mode: str = "Mode"
    term: str = "Term"
    reason: str = "Reason"
    account: str = "Account"
    no_modes: str = "No mode is recorded in this time."
    not_in_force: str = "No term was in force in this time."
    gaps: str = "Times without effect although a term was in force"
    no_gaps: str = "While it was in force, it was never off or suspended, and no act on it narrowed its scope."
    range_acts_count: str = "While it was in force, acts on networks of the authority: {count}. The annex lists them."
    all_clients: str = "all clients"
    clients_of: str = "clients of node {nodes}"
    cause: str = "Cause"
    length: str = "Duration"
    outages: str = (
        "Failures of nodes are not listed, because the control plane does not know them. A node that could "
        "not be reached refused nothing and counted nothing. A suspension on a node concerns all clients if no "
        "other node serves them."
    )

    queries: str = "Queries over time"
    queries_chart: str = "Queries for {service} over time"
    queries_described: str = "A bar for each interval: refused, monitored, exempted. The table has the numbers."
    days: str = "Days"
    refused: str = "Refused"
    monitored: str = "Monitored"
    exempted: str = "Exempted"
    total: str = "Total"
    hidden: str = (
        "Numbers from 1 to 4 are shown as <5. A total with such numbers is given as the least and the most "
        "that is possible, so that it does not reveal them. A day is counted when it is over. One visit can cause "
        "many queries."
    )
    no_ban: str = "no ban"
    not_counted: str = "Queries are not counted: {authority}."
    by_day: str = "Queries by day"
    by_week: str = "Queries by calendar week"
    by_month: str = "Queries by month"

    bypass: str = "Attempts to bypass the resolver"
    bypass_chart: str = "Attempts to bypass the resolver over time"
    bypass_described: str = "A bar for each interval. The table has the numbers."
    bypass_note: str = (
        "These are queries for names by which devices look for another resolver. They are counted whether or "
        "not a ban concerns them."
    )
    no_bypass: str = "No attempt was counted."

    bound: str = "Bindings to other authorities"
    bound_counts: str = "Queries at other authorities by this ban"
    no_bound: str = "The ban applied to no other authority."
    ground: str = "Ground"
    instrument: str = "Instrument"
    ended: str = "Ended"
    not_accepted: str = "not accepted"

    exemptions: str = "Exemptions"
    planned: str = "planned: {end}"
    no_exemptions: str = "No exemption was requested or in force."
    ranges: str = "Networks"
    requested: str = "Requested"
    decided: str = "Decided"
    approved: str = "approved {at} by {account}"
    approved_alone: str = "approved {at}"
    rejected: str = "rejected {at} by {account}"
    revoked: str = "revoked {at} by {account}"
    undecided: str = "not decided"
    requested_by: str = "{at} by {account}"

    suspensions: str = "Suspensions"
    no_suspensions: str = "Nothing was suspended."
    concerned: str = "For"
    all_authorities: str = "all authorities"

    lists: str = "Lists of names"
    lists_note: str = (
        "The digest is the beginning of the SHA-256 of the list that the nodes had. Names are counted by tier."
    )
    no_lists: str = "No list of the service was in force."
    digest: str = "Digest"
    names: str = "Names"
    added: str = "Added"
    removed: str = "Removed"
    until_now: str = "still in force"

    annex: str = "Annex: acts"
    acts_on: str = "Acts on the ban on {service}"
    range_acts: str = "Acts on networks of the authority while a term was in force"
    network: str = "Network"
    no_acts: str = "No act was recorded in this time."
    act: str = "Act"
    object: str = "Object"
    ban_object: str = "ban on {name}"
    binding_object: str = "binding {name}"
    exemption_object: str = "exemption {name}"
    node_object: str = "node {name}"
    request_object: str = "request {name}"
    suspension_object: str = "suspension {name}"
    entry: str = "Entry"
    installation: str = "the installation"
    account_number: str = "account {number}"
    named_account: str = "{name} (account {number})"

    source: str = "Source"
    source_note: str = (
        "This report is made from the database at the revision below, whose audit log ends with the entry "
        "below. When its last day is over, the same record gives the same report. Each act names its entry in the "
        "audit log. Each number of queries is the sum of the days in its row. The command dnsfilterctl audit verify "
        "checks the audit log."
    )
    revision: str = "Revision"
    last_entry: str = "Last entry of the audit log"
    entry_time: str = "Time of this entry"
    entry_hash: str = "Hash of this entry"


WORDS: Mapping[str, str] = {
    "enforce": "enforce",
    "monitor": "monitor",
    "off": "off",
    "suspended": "suspended",
    "local": "suspended on a node",
    "scope": "taken out of the scope",
    "refused": "refused (REFUSED)",
    "nxdomain": "no such name (NXDOMAIN)",
    "nodata": "no data (NODATA)",
    "address": "addresses of a page",
    "public": "public money",
    "partly_public": "partly public money",
    "private": "private money",
    "staff": "staff",
    "public_audience": "the public",
    "pupils": "pupils",
    "law": "law",
    "canary": "canary domain of browsers",
    "relay": "private relay",
    "ddr": "discovery of resolvers (DDR)",
    "encrypted_dns": "encrypted DNS",
    "agreement": "agreement",
}
"""Words of the policy, in English."""

ACTS: Mapping[str, str] = {
    "ban.adopt": "ban adopted",
    "ban.adopt_provisionally": "ban adopted provisionally",
    "ban.change": "ban changed",
    "ban.confirm": "provisional ban confirmed",
    "ban.end": "ban ended early",
    "ban.renew": "ban renewed",
    "ban.set_enforce": "ban switched to enforce",
    "ban.set_monitor": "ban switched to monitor",
    "ban.set_off": "ban switched off",
    "ban.set_scope": "scope of the ban changed",
    "binding.propose": "agreement proposed",
    "binding.bind": "authority bound by law",
    "binding.accept": "agreement accepted",
    "binding.withdraw": "withdrawal from the agreement",
    "binding.end": "binding ended",
    "exemption.request": "exemption requested",
    "exemption.approve": "exemption approved",
    "exemption.reject": "exemption rejected",
    "exemption.revoke": "exemption revoked",
    "exemption.withdraw": "request for an exemption withdrawn",
    "request.ask": "change of mode requested",
    "request.approve": "change of mode approved",
    "request.reject": "change of mode rejected",
    "request.withdraw": "request to change the mode withdrawn",
    "range.register": "network registered",
    "range.change": "network changed",
    "range.remove": "network removed",
    "range.transfer": "network passed to another authority",
    "suspension.start": "suspension started",
    "node.suspend": "suspended on one node",
    "node.end_suspension": "suspension on one node ended",
    "suspension.end": "suspension ended early",
}
"""Acts, in English. Other acts are shown by their names in the audit log."""

ENGLISH = Phrases()


@cache
def phrases_in(language: Language) -> Phrases:
    """Return the phrases in a language."""
    catalogue = translations(language, DOMAIN)
    return Phrases(**{field.name: catalogue.gettext(getattr(ENGLISH, field.name)) for field in fields(Phrases)})


def word_in(language: Language, word: str) -> str:
    """Return a word of the policy, or an act, in a language; unknown ones as they are."""
    english = WORDS.get(word) or ACTS.get(word)
    return word if english is None else translations(language, DOMAIN).gettext(english)


def default_language(made: ReportRead) -> Language:
    """Return the first of the authority's languages that reports have, else English."""
    own = next(one.languages for one in made.authorities if one.slug == made.authority)
    known = set(Language)
    tags = (tag.partition("-")[0].lower() for tag in own)
    return Language(next((tag for tag in tags if tag in known), FALLBACK))
