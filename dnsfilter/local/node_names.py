"""Acts on single names on this node: refuse or allow one for a time, list them, end one before its time."""

from dataclasses import dataclass

from dnsfilter.config.node_config import Config
from dnsfilter.errors import ConfigError, Problem, UnavailableError
from dnsfilter.local.journal import Act
from dnsfilter.local.local_names import FILE_NAME, GivenName, change_names, load_names
from dnsfilter.local.node_access import NodeAccess, check_authority, check_reason
from dnsfilter.local.timed_acts import MAX_GIVEN
from dnsfilter.policy.bounds import LOCAL_NAME_S, MAX_LOCAL_NAME_S
from dnsfilter.policy.calendar import parse_span
from dnsfilter.policy.model import DAY_S, WireName
from dnsfilter.policy.single_names import LocalName, NameVerdict, covers
from dnsfilter.snapshot.contents import Files
from dnsfilter.snapshot.rulebook import RuleTable
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.wire.names import name_text

_ACTS = {NameVerdict.REFUSE: Act.REFUSE_NAME, NameVerdict.ALLOW: Act.ALLOW_NAME}


@dataclass(frozen=True, slots=True)
class WantedName:
    """A name that a caller wants to refuse or to allow."""

    authority: str
    name: WireName
    exact: bool
    verdict: NameVerdict


class NameActs(NodeAccess):
    """The names that acts on this node refuse or allow."""

    def __init__(self, config: Config, store: SnapshotStore) -> None:
        super().__init__(config, store)
        self._path = config.node_dir / FILE_NAME

    def set(self, wanted: WantedName, duration: str | None, reason: str) -> LocalName:
        """Refuse or allow a name on this node from now on. This replaces what was said of the same name here.

        Raise ConfigError for a wrong argument, UnavailableError if the caller may not do this, if it contradicts
        another name, or if it fails.
        """
        for_s = _duration_s(duration)
        check_reason(reason)
        with self._as_reader():
            check_authority(wanted.authority, self._files())
        with self._as_owner():
            files = self._files()
            now = self._now(files)
            given = GivenName(wanted.authority, wanted.name, wanted.exact, wanted.verdict, now, for_s, reason)
            added = given.since(now.instant)

            def add(held: tuple[GivenName, ...]) -> tuple[GivenName, ...]:
                others = _others(held, wanted.authority, wanted.name)
                if len(others) >= MAX_GIVEN:
                    raise UnavailableError(f"{MAX_GIVEN} names are already set on this node: end one first")
                _check_contradiction(wanted, others, files, now.instant)
                self._journal().add(
                    now.instant,
                    self._uid,
                    _ACTS[wanted.verdict],
                    reason,
                    authority=wanted.authority,
                    until=added.end,
                    name=name_text(wanted.name),
                    exact=wanted.exact,
                )
                return (*others, given)

            change_names(self._path, now, add)
        return added

    def end(self, authority: str, name: WireName, reason: str) -> NameVerdict:
        """End what an act on this node said of a name, and return what that was. Raise as `set` does."""
        check_reason(reason, needed=False)
        ended: list[NameVerdict] = []
        with self._as_owner():
            now = self._now(self._files())

            def end(held: tuple[GivenName, ...]) -> tuple[GivenName, ...]:
                found = [given for given in held if (given.authority, given.name) == (authority, name)]
                if not found:
                    names = ", ".join(sorted(f"{each.authority} {name_text(each.name)}" for each in held)) or "none"
                    raise UnavailableError(
                        f"end {name_text(name)}: no act on this node refuses or allows it for {authority}; "
                        f"names set here: {names}"
                    )
                ended.extend(given.verdict for given in found)
                self._journal().add(
                    now.instant,
                    self._uid,
                    Act.END_NAME,
                    reason,
                    authority=authority,
                    name=name_text(name),
                    exact=found[0].exact,
                )
                return _others(held, authority, name)

            change_names(self._path, now, end)
        return ended[0]

    def names(self) -> tuple[LocalName, ...]:
        """Return the names in force. Raise UnavailableError if the caller cannot read them."""
        with self._as_reader():
            now = self._now(self._files())
            found = [given.holds(now) for given in load_names(self._path)]
        return tuple(name for name in found if name is not None)


def _others(held: tuple[GivenName, ...], authority: str, name: WireName) -> tuple[GivenName, ...]:
    return tuple(given for given in held if (given.authority, given.name) != (authority, name))


def _check_contradiction(wanted: WantedName, held: tuple[GivenName, ...], files: Files | None, at: int) -> None:
    """Raise UnavailableError if an allowed name would cover a refused one, because allowing always wins."""
    for given in held:
        if given.authority == wanted.authority and given.verdict is not wanted.verdict:
            allowed, refused = (given, wanted) if given.verdict is NameVerdict.ALLOW else (wanted, given)
            if covers(allowed.name, allowed.exact, refused.name):
                raise UnavailableError(
                    f"{wanted.verdict} {name_text(wanted.name)}: an act on this node {_DOES[given.verdict]} "
                    f"{name_text(given.name)}, and an allowed name is never refused: end that first: dnsfilter name "
                    f"end {name_text(given.name)} --authority {given.authority}"
                )
    if wanted.verdict is NameVerdict.ALLOW or files is None:
        return
    rules = RuleTable(files.rules)
    free = rules.allowed.covering(rules.authorities.index(wanted.authority), wanted.name, at)
    if free is not None:
        raise UnavailableError(
            f"refuse {name_text(wanted.name)}: {wanted.authority} allows {name_text(free.name)} by revision "
            f"{files.revision}, and an allowed name is never refused: only a later revision ends that"
        )


_DOES = {NameVerdict.REFUSE: "refuses", NameVerdict.ALLOW: "allows"}


def _duration_s(text: str | None) -> int:
    if text is None:
        return LOCAL_NAME_S
    try:
        span = parse_span(text)
    except ValueError as error:
        raise ConfigError((Problem("--for", str(error)),)) from error
    duration_s = span.seconds + span.days * DAY_S
    if span.months or duration_s > MAX_LOCAL_NAME_S:
        longest = MAX_LOCAL_NAME_S // DAY_S
        raise ConfigError((Problem("--for", f"{text!r} is longer than {longest} days; choose less"),))
    return duration_s
