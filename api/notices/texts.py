"""English texts of notices. A change here also requires a change in every catalogue of `api/locale`.

`{until}`, `{at}`, `{starting}` and `{review}` stand for dates in words, which `api/locale` makes. Names of
authorities stand in parentheses, so that no article is needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from api.notices.kinds import Kind


@dataclass(frozen=True, slots=True)
class Text:
    """The texts of a notice: subject, what happened or will happen, and what to do next (may be empty).

    `subject_many` and `what_many` are for a notice about several nodes.
    """

    subject: str
    what: str
    do: str = ""
    subject_many: str = ""
    what_many: str = ""


_RENEW = 'dnsfilterctl ban renew {authority_slug} {slug} --for "6 months" --reference REFERENCE'
_SHOW = "dnsfilterctl ban show {authority_slug} {slug}"
_REFUSE = "dnsfilterctl name refuse {authority_slug} {slug} --reason REASON"
_SHOW_NAME = "dnsfilterctl name show {authority_slug} {slug}"
COMMANDS: Mapping[Kind, str] = {
    Kind.BAN_ENDING: _RENEW,
    Kind.BAN_REVIEW: "dnsfilterctl ban renew {authority_slug} {slug} --review-by DATE --reference REFERENCE",
    Kind.PROVISIONAL_ENDING: "dnsfilterctl ban set {authority_slug} {slug} --confirm --legal-basis BASIS "
    '--reference REFERENCE --for "6 months"',
    Kind.BAN_LAPSED: _RENEW,
    Kind.BAN_OFF: _SHOW,
    Kind.BAN_MONITORED: _SHOW,
    Kind.REQUEST_WAITING: "dnsfilterctl request show {number}",
    Kind.REFUSALS_LIFTED: "dnsfilterctl audit list --act refusals.lift",
    Kind.SOURCE_RENEWED: _RENEW,
    Kind.SOURCE_ENDED: "dnsfilterctl ban end {authority_slug} {slug} --reason REASON",
    Kind.UPDATE_HELD_BACK: "dnsfilterctl update show {number}",
    Kind.PENDING_NAMES_ASKED: "dnsfilterctl update show {number}\n"
    "dnsfilterctl update object {number} NAME --reason REASON\ndnsfilterctl update accept {number}",
    Kind.NAMES_REMOVED: "dnsfilterctl service show {feed}",
    Kind.EXEMPTION_WAITING: "dnsfilterctl exemption show {number}",
    Kind.NAME_ENDING: _REFUSE,
    Kind.NAME_REVIEW: _SHOW_NAME,
    Kind.ALLOWED_NAME_ENDING: "dnsfilterctl name allow {authority_slug} {slug} --reason REASON",
    Kind.ALLOWED_NAME_REVIEW: _SHOW_NAME,
    Kind.BINDING_PROPOSED: "dnsfilterctl binding accept {number}",
    Kind.FEED_FAILING: "dnsfilterctl feed show {feed}",
    Kind.PEER_BROKEN: "dnsfilterctl peer show {peer}\ndnsfilterctl peer checkpoints {peer}",
    Kind.CAPTURE_STARTED: "dnsfilterctl audit list --object capture/{number}",
    Kind.LIST_ADDITION: "dnsfilterctl list-link adopt {number} --legal-basis BASIS --reference REFERENCE",
    Kind.LIST_PROPOSAL: "dnsfilterctl prohibited-list add {authority_slug} {slug} {slugs} --legal-basis BASIS "
    '--reference REFERENCE --for "6 months"\ndnsfilterctl prohibited-list decline {authority_slug} {slug} {slugs}',
}
"""Commands that carry out what a notice asks for, one a line. They are the same in every language."""
_SHOW_LIST = "dnsfilterctl prohibited-list show {authority_slug} {slug}"
_RENEW_LIST = "dnsfilterctl prohibited-list renew {authority_slug} {slug} --reference REFERENCE"
LIST_COMMANDS: Mapping[Kind, str] = {
    **COMMANDS,
    Kind.BAN_ENDING: f'{_RENEW_LIST} --for "6 months"',
    Kind.BAN_REVIEW: f"{_RENEW_LIST} --review-by DATE",
    Kind.BAN_LAPSED: f'{_RENEW_LIST} --for "6 months"',
    Kind.BAN_OFF: _SHOW_LIST,
    Kind.BAN_MONITORED: _SHOW_LIST,
    Kind.BINDING_PROPOSED: "dnsfilterctl list-link accept {number}",
}
"""The same for a notice about many bans of a prohibited list."""

TEXTS: Mapping[Kind, Text] = {
    Kind.BAN_ENDING: Text(
        "the ban on {service} ends soon ({until})",
        "The ban on {service} ({authority}) still applies {until}. It then lapses automatically.",
        "To continue the ban, renew it with a new decision:",
    ),
    Kind.BOUND_BAN_ENDING: Text(
        "a ban on {service} that also applies to you ends soon ({until})",
        "The ban on {service} ({authority}) also applies to you. It still applies {until} and then lapses "
        "automatically.",
        "You do not need to do anything. The authority that adopted the ban decides on a renewal.",
    ),
    Kind.BAN_REVIEW: Text(
        "the ban on {service} is due for review ({review})",
        "The ban on {service} ({authority}) is due for review {review}.",
        "After the review, record the new decision or end the ban:",
    ),
    Kind.BOUND_BAN_REVIEW: Text(
        "a ban on {service} that also applies to you is due for review ({review})",
        "The ban on {service} ({authority}) also applies to you. It is due for review {review}.",
        "You do not need to do anything. The authority that adopted the ban decides what happens next.",
    ),
    Kind.PROVISIONAL_ENDING: Text(
        "the provisional ban on {service} lapses soon ({until})",
        "The provisional ban on {service} ({authority}) still applies {until}. Without a formal decision, it lapses "
        "automatically.",
        "To keep the ban, confirm it with its legal basis and a term:",
    ),
    Kind.BAN_LAPSED: Text(
        "the ban on {service} has lapsed",
        "The ban on {service} ({authority}) applied {until} and has lapsed. It no longer refuses or counts queries. "
        "{resumes}",
        "To apply the ban again, a new decision is required:",
    ),
    Kind.BOUND_BAN_LAPSED: Text(
        "a ban on {service} that also applied to you has lapsed",
        "The ban on {service} ({authority}) also applied to you. It applied {until} and has lapsed. It no longer "
        "refuses or counts queries. {resumes}",
    ),
    Kind.BAN_OFF: Text(
        "the ban on {service} has been switched off ({until})",
        "The ban on {service} ({authority}) was switched off {at} ({until}). While it is off, it does not refuse or "
        "count queries.",
        "To see who did this and why:",
    ),
    Kind.BAN_MONITORED: Text(
        "the ban on {service} now only monitors",
        "The ban on {service} ({authority}) was set to monitoring {at}. It counts queries but does not refuse them.",
        "To see who did this and why:",
    ),
    Kind.BAN_BACK: Text(
        "the ban on {service} is enforced again",
        "Enforcement of the ban on {service} ({authority}) resumed {at}. The ban refuses queries as before.",
    ),
    Kind.REQUEST_WAITING: Text(
        "request {number} awaits your decision: less would be refused",
        "Request {number} was submitted {at}. It asks for a change after which less is refused ({scope}). Until you "
        "decide, bans apply as before.",
        "An approver of your authority reviews the request, then approves or rejects it:",
    ),
    Kind.REFUSALS_LIFTED: Text(
        "less is refused after a change",
        "A change was made {at} after which less is refused ({scope}).",
        "To see who did this and why:",
    ),
    Kind.SOURCE_RENEWED: Text(
        "the ban on {service} that you adopted has been renewed",
        "The ban on {service} ({source}), which you adopted with a decision of your own, has been renewed ({until}). "
        "{own}",
        "To renew your ban as well, a decision of your own is required:",
    ),
    Kind.SOURCE_ENDED: Text(
        "the ban on {service} that you adopted ends early",
        "The ban on {service} ({source}), which you adopted with a decision of your own, has been ended early. It "
        "applies {until}. {own}",
        "To end your ban as well, a decision of your own is required:",
    ),
    Kind.SOURCE_GOES_ON: Text(
        "the ban on {service} that you adopted continues under a successor authority ({source})",
        "The ban on {service} ({former}), which you adopted with a decision of your own, continues {starting} under "
        "the successor of that authority ({source}). {own}",
        "You do not need to do anything. You will receive a notice if that ban is renewed or ended early.",
    ),
    Kind.UPDATE_HELD_BACK: Text(
        "new names of {service} are held back",
        "Update {number} of {service} was held back {at}: its names hit the guard, or its list changed too much or "
        "cannot be read. The names in force stay as they were until somebody decides.",
        "To see the names and the reasons, then accept or reject the update:",
    ),
    Kind.PENDING_NAMES_ASKED: Text(
        "clients often ask for new names of {service}, which will be refused ({starting})",
        "Clients often ask for new names of {service} (update {number}): {asked}. The numbers are queries so far, "
        "rounded down. Bans on {service} will refuse these names {starting}. Until then, they are answered.",
        "To see all names, to object to those that must be answered, or to have all refused at once:",
    ),
    Kind.NAMES_REMOVED: Text(
        "another authority removed names of {service}, which you ban",
        "Names removed from {service} {at}: {number}. The service belongs to another authority ({source}). Your ban on "
        "it no longer refuses these names.",
        "To see the names that it has now:",
    ),
    Kind.EXEMPTION_WAITING: Text(
        "a request for an exemption from the ban on {service} awaits your decision",
        "Exemption {number} from the ban on {service} ({authority}) was requested {at} and awaits your decision. Until "
        "then, it has no effect.",
        "An approver of your authority reviews the request, then approves or rejects it:",
    ),
    Kind.EXEMPTION_APPROVED: Text(
        "the exemption from the ban on {service} has been approved",
        "Exemption {number} from the ban on {service} ({authority}) was approved {at}. It applies {until}.",
    ),
    Kind.EXEMPTION_REJECTED: Text(
        "the exemption from the ban on {service} has been rejected",
        "Exemption {number} from the ban on {service} ({authority}) was rejected {at}. The ban continues to apply.",
    ),
    Kind.EXEMPTION_REVOKED: Text(
        "the exemption from the ban on {service} has been revoked",
        "Exemption {number} from the ban on {service} ({authority}) was revoked {at}. The ban applies again.",
    ),
    Kind.EXEMPTION_ENDING: Text(
        "the exemption from the ban on {service} ends soon ({until})",
        "Exemption {number} from the ban on {service} ({authority}) still applies {until}. After that, the ban applies "
        "again.",
        "If the exemption is still needed after that, request a new one in time.",
    ),
    Kind.NAME_ENDING: Text(
        "the name {service} is refused for a short time only ({until})",
        "The name {service} ({authority}) is still refused {until}. After that, it is answered again automatically.",
        "To continue to refuse the name:",
    ),
    Kind.NAME_REVIEW: Text(
        "the refused name {service} is due for review ({review})",
        "The name {service} ({authority}) is refused. This is due for review {review}.",
        "After the review, refuse the name again or remove it:",
    ),
    Kind.ALLOWED_NAME_ENDING: Text(
        "the name {service} is allowed for a short time only ({until})",
        "The name {service} ({authority}) is still allowed {until}. After that, your bans apply to it again.",
        "To continue to allow the name:",
    ),
    Kind.ALLOWED_NAME_REVIEW: Text(
        "the allowed name {service} is due for review ({review})",
        "The name {service} ({authority}) is allowed, even if a ban of yours refuses it. This is due for review "
        "{review}.",
        "After the review, allow the name again or remove it:",
    ),
    Kind.SUSPENSION_STARTED: Text(
        "bans are suspended for {scope}",
        "All bans were suspended {at} for {scope}. No queries are refused. {binds} The suspension lasts {until} and "
        "ends automatically.",
    ),
    Kind.SUSPENSION_ENDED: Text(
        "the suspension for {scope} has ended early",
        "The suspension for {scope} was ended early {at}. {again}",
    ),
    Kind.CAPTURE_STARTED: Text(
        "DNS queries of {range} are being recorded",
        "To find a fault, a recording of the names that devices in your network {range} (site {site}) query was "
        "started {at}. The recording (capture {number}) lasts {until} and ends automatically. Its file stays on the "
        "nodes, where only system administrators can read it. It is deleted automatically {deleted}.",
        "To see who did this and why:",
    ),
    Kind.BINDING_PROPOSED: Text(
        "proposal to apply the ban on {service} to you as well",
        "Agreement {number} proposes that the ban on {service} ({authority}) also applies to you {starting}. The "
        "proposal has no effect until you accept it.",
        "To accept the proposal:",
    ),
    Kind.BINDING_BY_LAW: Text(
        "the ban on {service} also applies to you",
        "By law, the ban on {service} ({authority}) also applies to you {starting} (binding {number}).",
    ),
    Kind.BINDING_ACCEPTED: Text(
        "your ban on {service} has been accepted ({bound})",
        "Agreement {number} was accepted {at}. The ban on {service} ({authority}) also applies to another authority "
        "({bound}).",
    ),
    Kind.BINDING_WITHDRAWN: Text(
        "withdrawal from the agreement on the ban on {service} ({bound})",
        "The other authority ({bound}) has withdrawn from agreement {number} on the ban on {service} ({authority}), "
        "with effect {starting}.",
    ),
    Kind.BINDING_ENDED: Text(
        "the ban on {service} no longer applies to you",
        "Binding {number} has been ended, with effect {starting}. The ban on {service} ({authority}) then no longer "
        "applies to you.",
    ),
    Kind.BOUND_BAN_GOES_ON: Text(
        "the ban on {service} continues under a successor authority ({authority})",
        "The ban on {service} ({former}) continues {starting} under the successor of that authority ({authority}). It "
        "binds you as before.",
    ),
    Kind.FEED_FAILING: Text(
        "the names of {feed} are no longer updated",
        "A fetch of the list for {feed} failed {at}, and so did every later one. The names in force do not change.",
        "To see the reason:",
    ),
    Kind.PEER_BROKEN: Text(
        "the audit log of {peer} contradicts its checkpoints",
        "A checkpoint of {peer}, first seen {at}, does not continue those that are held here. Its audit log may have "
        "been altered or restored from a backup. The held checkpoints are the evidence.",
        "Ask its administrators. To see the reason:",
    ),
    Kind.LIST_ADDITION: Text(
        "services of {service} that you have not adopted",
        "The prohibited list {service} ({authority}), which you follow, has services that you have not adopted. They "
        "have no effect for you.",
        "An approver of your authority adopts these services, by a decision of your own:",
    ),
    Kind.LIST_PROPOSAL: Text(
        "new services for the prohibited list {title}: {services}",
        "The catalogue has new services of the category {category}, from which the prohibited list {title} was made: "
        "{services}. They are not banned, and stay proposed until you decide.",
        "To add these services by a decision, or to decline them:",
    ),
    Kind.NODE_SUSPENDED: Text(
        "bans are suspended on node {node} for {scope}",
        "On node {node} (site {site}), all bans were suspended locally for {scope}. No queries are refused there. "
        "{binds} The suspension lasts {until} and ends automatically.",
    ),
    Kind.NODE_SILENT: Text(
        "node {node} no longer reports",
        "Node {node} (site {site}) last reported {at}. It may continue to work with its current rules, but it "
        "receives no changes.",
        "Check that the machine is running and can reach the control plane.",
        "{count} nodes of site {site} no longer report",
        "{count} nodes (site {site}) no longer report: {nodes}. The first of them last reported {at}. They may "
        "continue to work with their current rules, but they receive no changes.",
    ),
    Kind.NODE_BEHIND: Text(
        "node {node} works with outdated rules",
        "Node {node} (site {site}) does not yet apply the change that came into force {at}.",
        "Check the log of the machine to see why it does not apply the new rules.",
        "{count} nodes of site {site} work with outdated rules",
        "{count} nodes (site {site}) do not yet apply the change that came into force {at}: {nodes}.",
    ),
    Kind.NODE_HELD: Text(
        "node {node} works with older rules, selected locally",
        "Node {node} (site {site}) works with revision {revision}, which was selected locally on the node. It does "
        "not apply the change that came into force {at}. The next change ends this.",
        "Check whether this is still needed. The newest revision can be selected again on the machine.",
        "{count} nodes of site {site} work with older rules, selected locally",
        "{count} nodes (site {site}) work with revision {revision}, which was selected locally on the nodes: "
        "{nodes}. They do not apply the change that came into force {at}. The next change ends this.",
    ),
    Kind.NODE_BACK: Text(
        "node {node} applies the current rules again",
        "Node {node} (site {site}) is reachable and applies the current rules again.",
        "",
        "{count} nodes of site {site} apply the current rules again",
        "{count} nodes (site {site}) are reachable and apply the current rules again: {nodes}.",
    ),
}
