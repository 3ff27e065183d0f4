"""What notices say, in English: a change here is one in every catalogue of `api/locale` too.

`{until}`, `{at}` and `{review}` stand for times in words: see `dates.py`. The name of an authority stands in
parentheses or quotation marks, where no article is missed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from api.notices.kinds import Kind


@dataclass(frozen=True, slots=True)
class Text:
    """A notice: subject, what happened or will happen, and what may be done; the last may be empty.

    `subject_many` and `what_many` are those of a notice about several nodes, where there may be several.
    """

    subject: str
    what: str
    do: str = ""
    subject_many: str = ""
    what_many: str = ""


@dataclass(frozen=True, slots=True)
class Phrases:
    """Words that several notices have. `own_…` is how far a ban of one's own reaches; the last four are for times."""

    ban: str
    reference: str
    everybody: str
    own_until: str
    own_lapsed: str
    own_review: str
    own_endless: str
    endless: str
    resumes: str
    again: str
    still: str
    binds: str
    more: str
    on: str
    through: str
    until: str
    timed: str


COMMANDS: Mapping[Kind, str] = {
    Kind.BAN_ENDING: 'dnsfilterctl ban renew {authority} {slug} --for "6 months" --reference REFERENCE',
    Kind.BAN_REVIEW: "dnsfilterctl ban renew {authority} {slug} --review-by DATE --reference REFERENCE",
    Kind.PROVISIONAL_ENDING: "dnsfilterctl ban set {authority} {slug} --confirm --legal-basis BASIS "
    '--reference REFERENCE --for "6 months"',
    Kind.BAN_LAPSED: 'dnsfilterctl ban renew {authority} {slug} --for "6 months" --reference REFERENCE',
    Kind.BAN_OFF: "dnsfilterctl ban show {authority} {slug}",
    Kind.BAN_MONITORED: "dnsfilterctl ban show {authority} {slug}",
    Kind.REQUEST_WAITING: "dnsfilterctl request show {number}",
    Kind.SOURCE_RENEWED: 'dnsfilterctl ban renew {authority} {slug} --for "6 months" --reference REFERENCE',
    Kind.SOURCE_ENDED: "dnsfilterctl ban end {authority} {slug} --reason REASON",
    Kind.EXEMPTION_WAITING: "dnsfilterctl exemption show {number}",
    Kind.BINDING_PROPOSED: "dnsfilterctl binding accept {number}",
}
"""What to type, where a notice asks for something. It is the same in every language."""

PHRASES = Phrases(
    ban="Ban",
    reference="Reference",
    everybody="all authorities",
    own_until="Your own decision is not changed by that: it applies {until}.",
    own_lapsed="Your own decision is not changed by that: it applied {until} and has lapsed.",
    own_review="Your own decision is not changed by that: it is to be reviewed {review}.",
    own_endless="Your own decision is not changed by that: it has no end.",
    endless="without an end",
    resumes="A further term begins {at}.",
    again="Bans apply again.",
    still="Another suspension holds {until}: nothing is refused until then.",
    binds="Your bans that apply there have no effect meanwhile.",
    more="and {count} more",
    on="on {date}",
    through="through {date}",
    until="until {date}",
    timed="{date} at {time}",
)

TEXTS: Mapping[Kind, Text] = {
    Kind.BAN_ENDING: Text(
        "the ban on {service} is ending ({until})",
        "The ban on {service} ({body}) still applies {until}. It then lapses by itself.",
        "To go on with it, renew it by a new decision:",
    ),
    Kind.BOUND_BAN_ENDING: Text(
        "a ban on {service} that applies to you too is ending ({until})",
        "The ban on {service} ({body}), which applies to you too, runs {until}. It then lapses by itself.",
        "You need not do anything. Whether it is renewed is decided by the authority that adopted it.",
    ),
    Kind.BAN_REVIEW: Text(
        "the ban on {service} is to be reviewed ({review})",
        "The ban on {service} ({body}) is to be reviewed {review}.",
        "After the review, record the new decision, or end the ban:",
    ),
    Kind.BOUND_BAN_REVIEW: Text(
        "a ban on {service} that applies to you too is reviewed ({review})",
        "The ban on {service} ({body}), which applies to you too, is to be reviewed {review}.",
        "You need not do anything. What follows is decided by the authority that adopted it.",
    ),
    Kind.PROVISIONAL_ENDING: Text(
        "the provisional ban on {service} is about to lapse ({until})",
        "The provisional ban on {service} ({body}) still applies {until}. Without a decision it lapses by itself.",
        "To keep it, confirm it with its legal basis and a term:",
    ),
    Kind.BAN_LAPSED: Text(
        "the ban on {service} has lapsed",
        "The ban on {service} ({body}) applied {until} and has lapsed. Nothing is refused or counted because of it any "
        "more. {resumes}",
        "For it to apply again, a new decision is needed:",
    ),
    Kind.BOUND_BAN_LAPSED: Text(
        "a ban on {service} that applied to you too has lapsed",
        "The ban on {service} ({body}) applied {until}, to you too, and has lapsed. Nothing is refused or counted "
        "because of it any more. {resumes}",
    ),
    Kind.BAN_OFF: Text(
        "the ban on {service} has been switched off ({until})",
        "The ban on {service} ({body}) was switched off {at} ({until}). Nothing is refused or counted because of it.",
        "To see who did this and why:",
    ),
    Kind.BAN_MONITORED: Text(
        "the ban on {service} only counts now",
        "The ban on {service} ({body}) was set to counting only {at}. It refuses nothing.",
        "To see who did this and why:",
    ),
    Kind.BAN_BACK: Text(
        "the ban on {service} is enforced again",
        "The ban on {service} ({body}) was enforced again {at}. It refuses as before.",
    ),
    Kind.REQUEST_WAITING: Text(
        "a request to switch off the ban on {service} waits for your decision",
        "Request {number} was made {at}: the ban on {service} ({body}) shall refuse nothing for now. It waits for your "
        "decision. Until then the ban applies as before.",
        "Whoever decides for you looks at the request, and approves or rejects it:",
    ),
    Kind.SOURCE_RENEWED: Text(
        "the ban on {service} that you adopted has been renewed",
        "The ban on {service} ({source}), which you adopted by a decision of your own, has been renewed ({until}). "
        "{own}",
        "To renew your ban too, a decision of your own is needed:",
    ),
    Kind.SOURCE_ENDED: Text(
        "the ban on {service} that you adopted ends early",
        "The ban on {service} ({source}), which you adopted by a decision of your own, has been ended early: it "
        "applies {until}. {own}",
        "To end your ban too, a decision of your own is needed:",
    ),
    Kind.SOURCE_GOES_ON: Text(
        "the ban on {service} that you adopted goes on as that of another authority ({source})",
        "The ban on {service} ({former}), which you adopted by a decision of your own, goes on as that of another "
        "authority ({source}), beginning {at}: the one is part of the other now. {own}",
        "You need not do anything. You get a notice when that ban is renewed or ended early.",
    ),
    Kind.EXEMPTION_WAITING: Text(
        "a request for an exemption from the ban on {service} waits for your decision",
        "Exemption {number} from the ban on {service} ({body}) was asked for {at} and waits for your decision. Until "
        "then it has no effect.",
        "Whoever decides for you looks at the request, and approves or rejects it:",
    ),
    Kind.EXEMPTION_APPROVED: Text(
        "the exemption from the ban on {service} has been approved",
        "Exemption {number} from the ban on {service} ({body}) was approved {at}. It applies {until}.",
    ),
    Kind.EXEMPTION_REJECTED: Text(
        "the exemption from the ban on {service} has been rejected",
        "Exemption {number} from the ban on {service} ({body}) was rejected {at}. The ban goes on applying.",
    ),
    Kind.EXEMPTION_REVOKED: Text(
        "the exemption from the ban on {service} has been revoked",
        "Exemption {number} from the ban on {service} ({body}) was revoked {at}. The ban applies again.",
    ),
    Kind.EXEMPTION_ENDING: Text(
        "the exemption from the ban on {service} is ending ({until})",
        "Exemption {number} from the ban on {service} ({body}) still applies {until}. The ban then applies again.",
        "Where it is needed after that too, ask for a new one in time.",
    ),
    Kind.SUSPENSION_STARTED: Text(
        "bans are suspended for {scope}",
        "All bans were suspended {at} for {scope}: nothing is refused. {binds} The suspension ends by itself and "
        "lasts {until}.",
    ),
    Kind.SUSPENSION_ENDED: Text(
        "the suspension for {scope} has ended early",
        "The suspension for {scope} was ended early {at}. {again}",
    ),
    Kind.BINDING_PROPOSED: Text(
        "a proposal to have the ban on {service} apply to you too",
        "It is proposed that the ban on {service} ({body}) applies to you too, by agreement {number}, beginning {at}. "
        "As long as you do not accept, the proposal has no effect.",
        "To accept:",
    ),
    Kind.BINDING_BY_LAW: Text(
        "the ban on {service} applies to you too",
        "The ban on {service} ({body}) applies to you too by law, beginning {at} (binding {number}).",
    ),
    Kind.BINDING_ACCEPTED: Text(
        "your ban on {service} has been accepted ({bound})",
        "Agreement {number} was accepted {at}: the ban on {service} ({body}) applies in another authority too "
        "({bound}).",
    ),
    Kind.BINDING_WITHDRAWN: Text(
        "the agreement on the ban on {service} has been withdrawn from ({bound})",
        "The other authority ({bound}) has withdrawn from agreement {number} on the ban on {service} ({body}), with "
        "effect {at}.",
    ),
    Kind.BINDING_ENDED: Text(
        "the ban on {service} no longer applies to you",
        "Binding {number} has been ended, with effect {at}: the ban on {service} ({body}) then no longer applies to "
        "you.",
    ),
    Kind.BOUND_BAN_GOES_ON: Text(
        "the ban on {service} goes on as that of another authority ({body})",
        "The ban on {service} ({former}) goes on as that of another authority ({body}), beginning {at}: the one is "
        "part of the other now. It binds you as before.",
    ),
    Kind.NODE_SUSPENDED: Text(
        "bans are suspended on resolver {node} for {scope}",
        "On resolver {node} (site {site}) all bans were suspended on the spot for {scope}: nothing is refused there. "
        "{binds} The suspension ends by itself and lasts {until}.",
    ),
    Kind.NODE_SILENT: Text(
        "resolver {node} has fallen silent",
        "Resolver {node} (site {site}) was last heard of {at}. It may go on working with the rules that it has, but "
        "gets no changes.",
        "See whether the machine runs and reaches the control plane.",
        "{count} resolvers of site {site} have fallen silent",
        "{count} resolvers (site {site}) have fallen silent; the first was last heard of {at}: {nodes}. They may "
        "go on working with the rules that they have, but get no changes.",
    ),
    Kind.NODE_BEHIND: Text(
        "resolver {node} works with old rules",
        "Resolver {node} (site {site}) does not work yet with the change that came into force {at}.",
        "See in the machine's log why it does not take the new rules.",
        "{count} resolvers of site {site} work with old rules",
        "{count} resolvers (site {site}) do not work yet with the change that came into force {at}: {nodes}.",
    ),
    Kind.NODE_HELD: Text(
        "resolver {node} works with older rules, chosen on the node",
        "Resolver {node} (site {site}) works with revision {revision}, which was chosen on the node itself, and not "
        "with the change that came into force {at}. The next change ends that.",
        "See whether that is still needed: on the machine the newest revision can be chosen again.",
        "{count} resolvers of site {site} work with older rules, chosen on the nodes",
        "{count} resolvers (site {site}) work with revision {revision}, which was chosen on the nodes themselves, and"
        " not with the change that came into force {at}: {nodes}. The next change ends that.",
    ),
    Kind.NODE_BACK: Text(
        "resolver {node} works with the rules in force again",
        "Resolver {node} (site {site}) can be reached and works with the rules in force again.",
        "",
        "{count} resolvers of site {site} work with the rules in force again",
        "{count} resolvers (site {site}) can be reached and work with the rules in force again: {nodes}.",
    ),
}
