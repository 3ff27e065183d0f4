"""dnsfilterctl authority onboard: list what a new authority still needs, and name the next step."""

from collections.abc import Iterator, Mapping

from api.authorities.schemas import AuthorityRead
from api.ctl.command import PROGRAM, Group, Options, Result
from api.ctl.display.local_times import end_words, usable_zone
from api.ctl.display.safe_text import columns, counted
from api.ctl.display.shown_names import Names
from api.ctl.exit_codes import DONE, FOUND
from api.ctl.remote.answer_reading import answer_of
from api.ctl.remote.client import Client, path
from api.onboarding.schemas import OnboardingRead

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
_ACCOUNT = "account add LOGIN --name NAME --authority {slug}"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "authority": ("authority set {slug} --kind KIND --name LANGUAGE=NAME --languages LIST --contact ADDRESS",),
    "names": ("authority set {slug} --name LANGUAGE=NAME",),
    "contact": ("authority set {slug} --contact ADDRESS",),
    "time_zone": ("authority set {slug} --time-zone ZONE",),
    "space": ("space allot {slug} PREFIX --site SITE",),
    "ranges": ("range add {slug} PREFIX --funding WORD --audience WORD --site SITE",),
    "ban": (
        "ban adopt {slug}/SERVICE --organ TEXT --reference TEXT --legal-basis TEXT --for SPAN",
        "ban adopt {slug}/SERVICE --following AUTHORITY/SERVICE --reference TEXT --legal-basis TEXT",
    ),
    "operator": (_ACCOUNT, "grant add {slug} LOGIN operator --for SPAN --reason TEXT"),
    "approver": (_ACCOUNT, "grant add {slug} LOGIN approver --for SPAN --reason TEXT"),
    "node": ("node register NAME --site SITE",),
}
"""The commands that do each step: of a ban one of two, of an operator and an approver both."""


def add_onboard(group: Group) -> None:
    """Add the verb to the group `authority`."""
    parser = group.add_verb(
        "onboard",
        _onboard,
        "List what an authority needs before it is served, and name the next step.",
        "authority onboard harbour",
        "authority onboard ghent --check",
    )
    parser.add_slug("authority")
    parser.add_argument("--check", action="store_true", help="exit with code 1 if a step is missing")


def _onboard(client: Client, options: Options) -> Result:
    name = options.authority
    found = client.find(OnboardingRead, path("authorities", name, "onboarding")) or _unregistered(name)
    if found.state == "closed":
        last = client.get(AuthorityRead, path("authorities", name))
        return Result(found, lambda: _closed(last, Names(client)), DONE)
    return Result(found, lambda: _lines(found, Names(client)), FOUND if options.check and not found.complete else DONE)


def _unregistered(name: str) -> OnboardingRead:
    """Return the steps of an authority that is not registered: all of them, registration first."""
    steps = [
        {"step": step, "done": False, "found": "", "todo": "register it" if step == "authority" else ""}
        for step in _WORDS
    ]
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
    missing = [step.step for step in found.steps if not step.done]
    if missing:
        yield f"{len(missing)} of {counted(len(rows), 'step')} {'is' if len(missing) == 1 else 'are'} missing"
        yield f"next: {_WORDS.get(missing[0], missing[0])}"
        for command in COMMANDS.get(missing[0], ()):
            yield f"  {PROGRAM} {command.format(slug=found.authority)}"
    elif found.complete:
        yield f"{found.authority} is complete"


def _end(found: OnboardingRead, names: Names) -> Iterator[str]:
    """Yield the lines that come first if the authority will be closed."""
    if found.closes is not None:
        end = end_words(found.closes, names.time_zone(found.authority))
        yield f"{found.state.upper()}: {found.authority} is served {end}, and not after that"
        yield ""
