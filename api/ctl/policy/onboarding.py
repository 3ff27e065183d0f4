"""dnsfilterctl authority onboard: show what a new authority still needs, or ask for each step and do it."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pydantic import BaseModel

from api.authorities.schemas import AuthorityRead
from api.bans.schemas import BanRead
from api.ctl.ban_references import reference
from api.ctl.command import (
    AUDIENCE,
    FUNDING,
    KINDS,
    PROGRAM,
    Body,
    Group,
    Options,
    Result,
    add_verb,
    prefix,
    slug,
)
from api.ctl.display.local_times import end_words, reach_words, usable_zone
from api.ctl.display.safe_text import columns, counted
from api.ctl.display.shown_names import Names
from api.ctl.exit_codes import DONE, FOUND, Denied, WrongInput
from api.ctl.policy.bans import warning_notes
from api.ctl.remote.answer_reading import answer_of
from api.ctl.remote.client import Client, path
from api.http.patterns import LANGUAGE
from api.onboarding.schemas import OnboardingRead, StepRead
from api.ranges.schemas import RangeRead, SiteRead
from api.services.schemas import ServiceRead
from api.spaces.schemas import SpaceRead
from api.timestamps import parse_date, parse_timestamp
from dnsfilter.policy.calendar import parse_span, zone
from dnsfilter.policy.instants import DEFAULT_ZONE
from dnsfilter.telemetry.dialogue import InputEnded, ask, ask_for, at_terminal, choice, confirm, say


@dataclass(frozen=True, slots=True)
class _Talk:
    """A dialogue about one authority, and what it has done so far."""

    client: Client
    name: str
    done: list[str] = field(default_factory=list)

    def record_done(self, what: str) -> None:
        """Print and remember that something is done."""
        say(f"  {what}")
        self.done.append(what)

    def site(self, typed: str) -> str:
        """Parse a registered site. Raise ValueError."""
        return self._known("site", slug(typed), path("sites", typed), SiteRead)

    def service(self, typed: str) -> str:
        """Parse a service of the catalogue. Raise ValueError."""
        return self._known("service", slug(typed), path("services", typed), ServiceRead)

    def subject(self, typed: str) -> str:
        """Parse a service, or a ban of another authority. Raise ValueError."""
        if "/" not in typed:
            return self.service(typed)
        authority, _, service = reference(typed).partition("/")
        return self._known("ban", typed, path("authorities", authority, "bans", service), BanRead)

    def _known(self, what: str, typed: str, where: str, kind: type[BaseModel]) -> str:
        if self.client.find(kind, where) is None:
            raise ValueError(f"no {what} {typed}. Type `{PROGRAM} {what} list` to see all")
        return typed


Act: TypeAlias = Callable[[_Talk], bool]
"""Ask for what a step needs, and do it. Return True to ask again. Raise CtlError and InputEnded."""

_ZONE, _SITE, _SPAN = DEFAULT_ZONE, "default", "6 months"
_TAG = re.compile(LANGUAGE)
_WORDS = {
    "authority": "authority",
    "names": "names",
    "contact": "contact",
    "time_zone": "time zone",
    "space": "space",
    "ranges": "ranges",
    "ban": "ban",
    "operator": "operator",
    "approver": "approver",
    "node": "nodes",
}
_COMMANDS: Mapping[str, tuple[str, ...]] = {
    "operator": (
        "account add LOGIN --name NAME --authority {slug}",
        "grant add LOGIN operator {slug} --for SPAN --reason TEXT",
    ),
    "approver": (
        "account add LOGIN --name NAME --authority {slug}",
        "grant add LOGIN approver {slug} --for SPAN --reason TEXT",
    ),
    "node": ("node register NAME --site SITE",),
}
"""Commands for steps that the dialogue does not do, because they need other people or machines."""


def add_onboard(group: Group) -> None:
    """Add the verb to the group `authority`."""
    parser = add_verb(
        group,
        "onboard",
        _onboard,
        "Set up a new authority step by step. Asks on a terminal; else lists missing steps, with exit code 1.",
        "authority onboard harbour",
        "authority onboard ghent --check",
    )
    parser.add_argument("authority", type=slug, metavar="AUTHORITY")
    parser.add_argument("--check", action="store_true", help="list missing steps, and ask nothing")


def _onboard(client: Client, options: Options) -> Result:
    where, name = path("authorities", options.authority, "onboarding"), options.authority
    if at_terminal() and not options.check and not getattr(options, "json", False):
        talk = _Talk(client, name)
        try:
            _run_dialogue(talk)
        except InputEnded:
            say(f"stopped; done: {'; '.join(talk.done)}" if talk.done else "stopped; nothing was done")
    found = client.find(OnboardingRead, where) or _unregistered(name)
    if found.state == "closed":
        last = client.get(AuthorityRead, path("authorities", name))
        return Result(found, lambda: _closed(last, Names(client)), DONE)
    return Result(found, lambda: _lines(found, Names(client)), DONE if found.complete else FOUND)


def _unregistered(name: str) -> OnboardingRead:
    """Return the steps of an authority that is not registered: all of them, registration first."""
    todo = (
        f"register it: {PROGRAM} authority set {name} --kind KIND --name LANGUAGE=NAME --languages LIST "
        "--contact ADDRESS, or answer this command at a terminal"
    )
    steps = [{"step": step, "done": False, "found": "", "todo": todo if step == "authority" else ""} for step in _WORDS]
    found = {"authority": name, "state": "unregistered", "closes": None, "complete": False, "steps": steps}
    answer: OnboardingRead = answer_of(OnboardingRead).model_validate(found)
    return answer


def _closed(last: AuthorityRead, names: Names) -> Iterator[str]:
    """Yield the lines for an authority that is closed."""
    end = "" if last.closes is None else f" {end_words(last.closes, usable_zone(last.time_zone))}"
    yield f"CLOSED: {last.slug} was served{end}; nothing is missing"
    if last.successor is not None:
        yield f"it was merged into {names.labelled(last.successor)}"


def _lines(found: OnboardingRead, names: Names) -> Iterator[str]:
    yield from _end(found, names)
    rows = [
        (_WORDS.get(step.step, step.step), "done" if step.done else "missing", step.found if step.done else step.todo)
        for step in found.steps
    ]
    yield from columns(rows)
    missing = sum(not step.done for step in found.steps)
    if missing:
        yield f"{missing} of {counted(len(rows), 'step')} {'is' if missing == 1 else 'are'} missing"
    elif found.complete:
        yield f"{found.authority} is complete"


def _end(found: OnboardingRead, names: Names) -> Iterator[str]:
    """Yield the lines that come first if the authority will be closed."""
    if found.closes is not None:
        end = end_words(found.closes, names.time_zone(found.authority))
        yield f"{found.state.upper()}: {found.authority} is served {end}, and not after that"
        yield ""


def _run_dialogue(talk: _Talk) -> None:
    """Ask for each missing step. Raise InputEnded, and CtlError if the dialogue cannot go on."""
    say("Press Enter to skip a question, Ctrl-D to stop.")
    if talk.client.find(AuthorityRead, path("authorities", talk.name)) is None:
        say(f"{talk.name} is not registered yet")
        while _try_step(talk, _register):
            pass
    taken = set[str]()
    while (step := _next_step(talk, taken)) is not None:
        taken.add(step.step)
        _do_step(talk, step)


def _next_step(talk: _Talk, taken: set[str]) -> StepRead | None:
    """Return the next missing step that was not yet taken. Ask the API each time: one step may complete others."""
    found = talk.client.get(OnboardingRead, path("authorities", talk.name, "onboarding"))
    if found.state == "closed":
        return None
    return next((step for step in found.steps if not step.done and step.step not in taken), None)


def _do_step(talk: _Talk, step: StepRead) -> None:
    say()
    say(f"{_WORDS.get(step.step, step.step)}: {step.todo}")
    act = _ACTS.get(step.step)
    if act is None:
        for command in _COMMANDS.get(step.step, ()):
            say(f"  {PROGRAM} {command.format(slug=talk.name)}")
        return
    while _try_step(talk, act):
        pass


def _try_step(talk: _Talk, act: Act) -> bool:
    """Take a step once. Return True to ask again, also if the control plane rejected the answers."""
    try:
        return act(talk)
    except (WrongInput, Denied) as error:
        for line in error.lines:
            say(f"  {line}")
        return isinstance(error, WrongInput)


def _register(talk: _Talk) -> bool:
    kind = ask_for(f"kind ({', '.join(KINDS)})", choice(KINDS))
    if kind is None:
        raise InputEnded
    languages = ask_for("languages in order", _languages, "nl") or []
    names = {tag: text for tag in languages if (text := ask(f"name in {tag}"))}
    contact = ask("the contact: a function's address, never a person's")
    time_zone = _ask_zone()
    body: Body = {"kind": kind, "languages": languages, "names": names, "contact": contact, "time_zone": time_zone}
    talk.client.send(AuthorityRead, "PUT", path("authorities", talk.name), body, {"If-None-Match": "*"})
    talk.record_done(f"{talk.name} is registered")
    return False


def _names(talk: _Talk) -> bool:
    known = talk.client.get(AuthorityRead, path("authorities", talk.name))
    missing = [tag for tag in known.languages if tag not in known.names]
    given = {tag: text for tag in missing if (text := ask(f"name in {tag}"))}
    return _change(talk, known, {"names": {**known.names, **given}} if given else {}, "the names are recorded")


def _contact(talk: _Talk) -> bool:
    contact = ask("the contact: a function's address, never a person's")
    known = talk.client.get(AuthorityRead, path("authorities", talk.name))
    return _change(talk, known, {"contact": contact} if contact else {}, "the contact is recorded")


def _zone(talk: _Talk) -> bool:
    body = {"time_zone": _ask_zone()}
    known = talk.client.get(AuthorityRead, path("authorities", talk.name))
    return _change(talk, known, body, "the time zone is recorded")


def _ask_zone() -> str:
    return ask_for("time zone", lambda typed: zone(typed).key, _ZONE) or _ZONE


def _change(talk: _Talk, known: AuthorityRead, body: Body, what: str) -> bool:
    if body:
        where, unless_changed = path("authorities", known.slug), {"If-Match": f'"r{known.revision}"'}
        talk.client.send(AuthorityRead, "PATCH", where, body, unless_changed)
        talk.record_done(what)
    return False


def _space(talk: _Talk) -> bool:
    held = ask_for("prefix to allot", prefix)
    if held is None:
        return False
    site = ask_for("at site", talk.site, _SITE) or _SITE
    talk.client.send(SpaceRead, "PUT", path("spaces", site, *held.split("/")), {"authority": talk.name})
    talk.record_done(f"{held} at site {site} is allotted")
    return True


def _range(talk: _Talk) -> bool:
    held = ask_for("prefix of a network", prefix)
    if held is None:
        return False
    site = ask_for("at site", talk.site, _SITE) or _SITE
    funding = ask_for(f"who paid for the devices ({', '.join(FUNDING)})", choice(FUNDING))
    audience = ask_for(f"who uses them ({', '.join(AUDIENCE)})", choice(AUDIENCE))
    if funding is None or audience is None:
        say("  skipped: funding and audience have no default")
        return True
    body = {
        "authority": talk.name,
        "funding": funding,
        "audience": audience,
        "label": ask("description of the network"),
    }
    talk.client.send(RangeRead, "PUT", path("ranges", site, *held.split("/")), body, {"If-None-Match": "*"})
    talk.record_done(f"{held} at site {site} is registered")
    return True


def _ban(talk: _Talk) -> bool:
    subject = ask_for("service, for example tiktok, or a ban to follow, for example federal/tiktok", talk.subject)
    if subject is None:
        return False
    return _follow(talk, subject) if "/" in subject else _own(talk, subject)


def _follow(talk: _Talk, source: str) -> bool:
    """Copy the remaining terms of another authority's ban, by a decision of the authority's own."""
    authority, _, service = source.partition("/")
    say(f"  to follow {source}, {talk.name} needs a decision of its own, with a legal basis and a reference")
    basis = ask("legal basis")
    decision = _decision(basis) if basis else {}
    if not decision.get("reference"):
        say("  skipped: no ban is recorded")
        return False
    found = talk.client.get(BanRead, path("authorities", authority, "bans", service))
    reach = reach_words(found.terms, Names(talk.client).time_zone(authority))
    return _adopt(
        talk,
        service,
        {"decision": {**decision, "follows": source}},
        f"copy mode, scope and remaining terms of {source} ({reach})",
    )


def _own(talk: _Talk, service: str) -> bool:
    """Adopt a ban with a decision, or a provisional one without."""
    basis = ask("legal basis (without one the ban is provisional, for 72 hours)")
    body: Body = _formal(talk, basis) if basis else {"provisional": True}
    if not basis:
        question = f"refuse {service} from now on for 72 hours, without a decision"
    elif "start" in body["terms"][0]:
        question = f"record the ban of {service} from {body['terms'][0]['start']} on"
    else:
        question = f"refuse {service} from now on"
    return _adopt(talk, service, body, question)


def _adopt(talk: _Talk, service: str, body: Body, question: str) -> bool:
    """Ask for confirmation, and record the ban."""
    if not confirm(question):
        say("  skipped: no ban is recorded")
        return False
    found = talk.client.send(
        BanRead, "PUT", path("authorities", talk.name, "bans", service), body, {"If-None-Match": "*"}
    )
    if found.provisional:
        talk.record_done(f"the ban of {service} is in force for 72 hours: record the decision before then")
    else:
        talk.record_done(f"the ban of {service} is {found.state.replace('_', ' ')}")
    for line in warning_notes(found.warnings):
        say(f"  {line}")
    return False


def _formal(talk: _Talk, basis: str) -> Body:
    """Return the request body of a ban with a decision."""
    time_zone = usable_zone(talk.client.get(AuthorityRead, path("authorities", talk.name)).time_zone)
    decision = _decision(basis)
    now = int(time.time())
    start = ask_for(
        "start: a date, or empty for now", lambda typed: _checked_text(typed, parse_timestamp(typed, time_zone, now))
    )
    span = ask_for("length", lambda typed: _checked_text(typed, parse_span(typed)), _SPAN) or _SPAN
    return {"decision": decision, "terms": [_given({"start": start, "for": span})]}


def _decision(basis: str) -> Body:
    decision = {
        "organ": ask("organ that decided, for example college"),
        "reference": ask("reference of the decision, shown to clients"),
        "date": ask_for("date of the decision, for example 2023-03-24", lambda typed: parse_date(typed).isoformat()),
        "legal_basis": basis,
    }
    return _given(decision)


def _checked_text(typed: str, _read: object) -> str:
    """Return what was typed after it was parsed once. The control plane parses it again."""
    return typed


def _languages(typed: str) -> list[str]:
    tags = [word.strip() for word in typed.split(",") if word.strip()]
    wrong = [tag for tag in tags if not _TAG.fullmatch(tag)]
    if wrong or len(set(tags)) < len(tags):
        raise ValueError(f"{typed!r} is not a list of languages. Write for example nl,fr")
    return tags


def _given(texts: Mapping[str, str | None]) -> Body:
    return {key: text for key, text in texts.items() if text}


_ACTS: Mapping[str, Act] = {
    "names": _names,
    "contact": _contact,
    "time_zone": _zone,
    "space": _space,
    "ranges": _range,
    "ban": _ban,
}
