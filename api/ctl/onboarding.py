"""dnsfilterctl authority onboard: what a new body still needs, shown, or asked for one by one and done."""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from api.ctl.answers import Authority, Onboarding, OnboardingStep, Range
from api.ctl.client import Client, path
from api.ctl.commands import AUDIENCE, FUNDING, KINDS, PROGRAM, Body, Group, Options, Result, add_verb, prefix, slug
from api.ctl.decisions import Ban
from api.ctl.dialogue import Ended, ask, ask_for, at_terminal, choice, say
from api.ctl.errors import DONE, FOUND, Denied, WrongInput
from api.ctl.people import Space
from api.ctl.terminal import columns

Act: TypeAlias = Callable[[Client, str], bool]
"""Asks for what a step needs and does it; says whether to ask for more. Raises CtlError and Ended."""

_ZONE, _SITE = "Europe/Brussels", "default"
_WORDS = {
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
        "user add LOGIN --name NAME --authority {slug}",
        "grant add LOGIN operator {slug} --for SPAN --reason TEXT",
    ),
    "approver": (
        "user add LOGIN --name NAME --authority {slug}",
        "grant add LOGIN approver {slug} --for SPAN --reason TEXT",
    ),
    "node": ("node register NAME --site SITE",),
}
"""What is done for people and machines, who are not there to be asked."""


def add_onboard(group: Group) -> None:
    """Add the verb to those of authorities."""
    parser = add_verb(
        group,
        "onboard",
        _onboard,
        "lead a new body through what it needs: asks on a terminal, else shows what is missing (exit code 1)",
        "authority onboard harbour",
        "authority onboard ghent --check",
    )
    parser.add_argument("authority", type=slug, metavar="AUTHORITY")
    parser.add_argument("--check", action="store_true", help="only show what is missing, and ask nothing")


def _onboard(client: Client, options: Options) -> Result:
    where, name = path("authorities", options.authority, "onboarding"), options.authority
    if at_terminal() and not options.check and not getattr(options, "json", False):
        try:
            _lead(client, name)
        except Ended:
            say("ended; what was answered is done")
    found = client.get(Onboarding, where)
    return Result(found.model_dump(mode="json"), lambda: _lines(found), DONE if found.complete else FOUND)


def _lines(found: Onboarding) -> Iterator[str]:
    rows = [
        (_WORDS.get(step.step, step.step), "done" if step.done else "missing", step.found if step.done else step.todo)
        for step in found.steps
    ]
    yield from columns(rows)
    missing = sum(not step.done for step in found.steps)
    yield f"{missing} of {len(rows)} steps are missing" if missing else f"{found.authority} has all that it needs"


def _lead(client: Client, name: str) -> None:
    """Ask for each step that is missing. Raises Ended, and CtlError where nothing more can be done."""
    say("An empty answer leaves a question out; end with Ctrl-D.")
    if client.find(Authority, path("authorities", name)) is None:
        say(f"{name} is not registered yet")
        while _again(client, name, _register):
            pass
    for step in client.get(Onboarding, path("authorities", name, "onboarding")).steps:
        if not step.done:
            _take(client, name, step)


def _take(client: Client, name: str, step: OnboardingStep) -> None:
    say()
    say(f"{_WORDS.get(step.step, step.step)}: {step.todo}")
    act = _ACTS.get(step.step)
    if act is None:
        for command in _COMMANDS.get(step.step, ()):
            say(f"  {PROGRAM} {command.format(slug=name)}")
        return
    while _again(client, name, act):
        pass


def _again(client: Client, name: str, act: Act) -> bool:
    """Take a step once; says whether to ask again, which it is where the control plane did not take the answers."""
    try:
        return act(client, name)
    except (WrongInput, Denied) as error:
        for line in error.lines:
            say(f"  {line}")
        return isinstance(error, WrongInput)


def _register(client: Client, name: str) -> bool:
    kind = ask_for(f"kind ({', '.join(KINDS)})", choice(KINDS))
    if kind is None:
        raise Ended
    languages = [word.strip() for word in ask("its languages in order", "nl").split(",") if word.strip()]
    names = {tag: text for tag in languages if (text := ask(f"its name in {tag}"))}
    contact = ask("the contact: a function's address, never a person's")
    zone = ask("its time zone", _ZONE)
    body: Body = {"kind": kind, "languages": languages, "names": names, "contact": contact, "time_zone": zone}
    client.send(Authority, "PUT", path("authorities", name), body, {"If-None-Match": "*"})
    say(f"  {name} is registered")
    return False


def _names(client: Client, name: str) -> bool:
    known = client.get(Authority, path("authorities", name))
    missing = [tag for tag in known.languages if tag not in known.names]
    given = {tag: text for tag in missing if (text := ask(f"its name in {tag}"))}
    return _change(client, known, {"names": {**known.names, **given}} if given else {})


def _contact(client: Client, name: str) -> bool:
    contact = ask("the contact: a function's address, never a person's")
    return _change(client, client.get(Authority, path("authorities", name)), {"contact": contact} if contact else {})


def _zone(client: Client, name: str) -> bool:
    zone = ask("its time zone", _ZONE)
    return _change(client, client.get(Authority, path("authorities", name)), {"time_zone": zone})


def _change(client: Client, known: Authority, body: Body) -> bool:
    if body:
        where, unless_changed = path("authorities", known.slug), {"If-Match": f'"r{known.revision}"'}
        client.send(Authority, "PATCH", where, body, unless_changed)
    return False


def _space(client: Client, name: str) -> bool:
    held = ask_for("a prefix that it may use", prefix)
    if held is None:
        return False
    site = ask_for("at site", slug, _SITE) or _SITE
    client.send(Space, "PUT", path("spaces", site, *held.split("/")), {"authority": name})
    say(f"  {held} at site {site} is allotted")
    return True


def _range(client: Client, name: str) -> bool:
    held = ask_for("the prefix of a network", prefix)
    if held is None:
        return False
    site = ask_for("at site", slug, _SITE) or _SITE
    funding = ask_for(f"who paid for the devices ({', '.join(FUNDING)})", choice(FUNDING))
    audience = ask_for(f"who uses them ({', '.join(AUDIENCE)})", choice(AUDIENCE))
    if funding is None or audience is None:
        say("  left out: neither has a default, somebody has to know")
        return True
    body = {"authority": name, "funding": funding, "audience": audience, "label": ask("what people call it")}
    client.send(Range, "PUT", path("ranges", site, *held.split("/")), body, {"If-None-Match": "*"})
    say(f"  {held} at site {site} is registered")
    return True


def _ban(client: Client, name: str) -> bool:
    service = ask_for("the service, for example tiktok", slug)
    if service is None:
        return False
    where = path("authorities", name, "bans", service)
    basis = ask("the legal basis (without one the ban is provisional, for 72 hours)")
    if not basis:
        client.send(Ban, "PUT", where, {"provisional": True}, {"If-None-Match": "*"})
        say(f"  the ban of {service} is in force for 72 hours: record the decision before they are over")
        return False
    asked = {
        "organ": ask("who decided, for example college"),
        "reference": ask("the decision's reference, which clients are shown"),
        "date": ask("its date, for example 2023-03-24"),
        "legal_basis": basis,
    }
    term = {"start": ask("from: a date, or now if empty"), "for": ask("for how long", "6 months")}
    body = {"decision": _given(asked), "terms": [_given(term)]}
    found = client.send(Ban, "PUT", where, body, {"If-None-Match": "*"})
    say(f"  the ban of {service} is {found.state.replace('_', ' ')}")
    return False


def _given(texts: Mapping[str, str]) -> Body:
    return {key: text for key, text in texts.items() if text}


_ACTS: Mapping[str, Act] = {
    "names": _names,
    "contact": _contact,
    "time_zone": _zone,
    "space": _space,
    "ranges": _range,
    "ban": _ban,
}
