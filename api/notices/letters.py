"""Write a notice from its facts: subject and text, in each language of the authority in order. Pure.

Facts:

- `ban`: `authority/service`; `reference`: the reference of its decision; `provisional`: it has no formal decision yet
- `name`: `authority/name`, an allowed name; `list`: `authority/list`, a prohibited list
- `services`: what a notice about a prohibited list is about; `ban` is that list if they are banned, `title` its title
- `category`: a category of services
- `number`: the number of a request, an exemption, a binding, a capture or an update; `service`: the slug of its service
- `until_s`: an exclusive end; `at_s`: when something happened or begins; `review_s`: a review date
- `feed`: the slug of an own service; `peer`: the name of another installation
- `asked`: pending names that clients ask for most, each with its queries; `asked_count`: how many there are
- `range`: a prefix; `deleted_s`: when the file of a capture is deleted
- `resumes_s`: when a ban applies again; `still_s`: the end of another suspension in force
- `binds`: a suspension disables bans of the recipient that apply to other authorities
- `own_…`: until when the own ban of a follower applies
- `source`, `bound`, `former`, `scope`: authorities; `scope` is None for all authorities
- `node`, `site`: names; `nodes`: names of one or several nodes; `revision`: the revision that the nodes apply
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from api.db.base import Json
from api.locale.date_phrases import at_words, end_words, start_words
from api.locale.translations import FALLBACK, LOCALES, translations
from api.notices.kinds import Kind
from api.notices.texts import COMMANDS, LIST_COMMANDS, TEXTS
from dnsfilter.policy.instants import DEFAULT_ZONE
from dnsfilter.policy.model import Authority
from dnsfilter.policy.single_names import is_single_name

WIDTH = 78
"""Maximum length of a line: RFC 5322 section 2.1.1."""
SEPARATOR = "* * *"
MAX_NODES = 30
"""Nodes that a notice names. The text gives only the number of further nodes."""
MAX_SERVICES = 5
"""Services of a prohibited list that a notice names."""
_AUTHORITY_FACTS = ("source", "bound", "former", "scope")
_REFERENCES = ("ban", "name", "list")


@dataclass(frozen=True, slots=True)
class Letter:
    """The subject and text of a mail."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Names:
    """Names for slugs of authorities and services."""

    authorities: Mapping[str, Authority]
    services: Mapping[str, str]

    def authority(self, slug: str, language: str) -> str:
        """Return an authority's name in `language`, else in its first language; the slug if it is unknown."""
        found = self.authorities.get(slug)
        return slug if found is None else found.name(language)


def authorities_in(facts: Json) -> frozenset[str]:
    """Return the slugs of the authorities that the facts name."""
    named = {str(facts[key]) for key in _AUTHORITY_FACTS if facts.get(key) is not None}
    return frozenset(named | {str(facts[key]).partition("/")[0] for key in _REFERENCES if key in facts})


def languages_of(to: Authority | None) -> tuple[str, ...]:
    """Return the languages of a notice: those of the authority in order, with English once for unsupported ones."""
    tags = (FALLBACK,) if to is None else to.languages
    known = (tag.partition("-")[0].lower() for tag in tags)
    return tuple(dict.fromkeys(tag if tag in LOCALES else FALLBACK for tag in known)) or (FALLBACK,)


def letter(kind: Kind, facts: Json, to: Authority | None, names: Names) -> Letter:
    """Write a notice to an authority, or to the installation if `to` is None: in English, in the default time zone."""
    languages = languages_of(to)
    time_zone = DEFAULT_ZONE if to is None else to.time_zone
    subjects, sections = [], []
    for language in languages:
        values = _values(facts, time_zone, language, names)
        text = TEXTS[kind]
        subjects.append(_plain(_translate(text.subject, text.subject_many, facts, language).format_map(values)))
        sections.append("\n".join(_section(kind, facts, language, values)))
    return Letter(f"dnsfilter: {' / '.join(subjects)}", f"\n\n{SEPARATOR}\n\n".join(sections) + "\n")


def _section(kind: Kind, facts: Json, language: str, values: Mapping[str, str]) -> Iterator[str]:
    text, _ = TEXTS[kind], translations(language).gettext
    yield from _wrapped(_translate(text.what, text.what_many, facts, language).format_map(values))
    if "ban" in facts:
        yield ""
        of_ban, of_decision = _("Ban:"), _("Reference:")
        # If the notice is about a followed ban, name that ban: the reference is its own.
        key = "source" if "source" in facts else "authority"
        slug = facts.get("source", values["authority_slug"])
        yield from _wrapped(f"{of_ban} {values['service']}, {values[key]} ({slug}/{values['slug']})")
        if values["reference"]:
            yield from _wrapped(f"{of_decision} {values['reference']}")
    if kind is Kind.SOURCE_ENDED and facts.get("own_lapsed"):
        return  # Its own ban has lapsed: there is nothing to end.
    if text.do:
        yield ""
        yield from _wrapped(_(text.do))
    # A provisional ban is confirmed, not renewed, even after it has lapsed.
    commands = LIST_COMMANDS if "services" in facts else COMMANDS
    command = commands.get(Kind.PROVISIONAL_ENDING if facts.get("provisional") else kind)
    if kind is Kind.BAN_LAPSED and is_single_name(values["slug"]):
        command = COMMANDS[Kind.NAME_ENDING]
    if command is not None:
        yield ""
        for each in command.splitlines():
            yield from _command(each.format_map(values))


def _values(facts: Json, time_zone: str, language: str, names: Names) -> Mapping[str, str]:
    """Return the values of the placeholders of a text."""
    _ = translations(language).gettext
    authority, _slash, service = next((str(facts[key]) for key in _REFERENCES if key in facts), "").partition("/")
    service = str(facts.get("service", service))
    values = {
        "authority_slug": authority,
        "slug": service,
        "authority": names.authority(authority, language),
        "service": names.services.get(service, service),
        "until": end_words(facts["until_s"], time_zone, language) if "until_s" in facts else _("without an end date"),
        "own": _own(facts, time_zone, language),
        "resumes": "",
        "again": _("Bans apply again."),
        "binds": _("Your bans that apply there have no effect during the suspension.") if facts.get("binds") else "",
    }
    if "services" in facts:
        named = [names.services.get(slug, slug) for slug in facts["services"]]
        values["title"] = facts.get("title") or service
        values["services"] = _some(named[:MAX_SERVICES], len(named), language)
        values["service"] = f"{values['title']} ({values['services']})"
        values["slugs"] = " ".join(facts["services"])
    if "asked" in facts:
        asked = [f"{name} ({queries})" for name, queries in facts["asked"]]
        values["asked"] = _some(asked, facts["asked_count"], language)
    if "still_s" in facts:
        still = _("Another suspension lasts {until}. Meanwhile, no queries are refused.")
        values["again"] = still.format(until=end_words(facts["still_s"], time_zone, language))
    if "resumes_s" in facts:
        values["resumes"] = _("A further term begins {at}.").format(
            at=at_words(facts["resumes_s"], time_zone, language)
        )
    for key in ("at", "review", "deleted"):
        if f"{key}_s" in facts:
            values[key] = at_words(facts[f"{key}_s"], time_zone, language)
    if "at_s" in facts:
        values["starting"] = start_words(facts["at_s"], time_zone, language)
    for key in _AUTHORITY_FACTS:
        if key in facts:
            slug = facts[key]
            values[key] = _("all authorities") if slug is None else names.authority(slug, language)
    for key in ("number", "node", "site", "range", "revision", "reference", "feed", "category", "peer"):
        values[key] = str(facts.get(key, ""))
    if "nodes" in facts:
        values |= _nodes(sorted(facts["nodes"]), language)
    return {key: _plain(value) for key, value in values.items()}


def _translate(one: str, many: str, facts: Json, language: str) -> str:
    """Return a text in `language`, in the form for one node or for several."""
    catalogue = translations(language)
    return catalogue.ngettext(one, many, max(len(facts.get("nodes", ())), 1)) if many else catalogue.gettext(one)


def _nodes(names: Sequence[str], language: str) -> Mapping[str, str]:
    """Return the placeholder values for one or several nodes."""
    first = names[:MAX_NODES]
    return {"node": ", ".join(first), "nodes": _some(first, len(names), language), "count": str(len(names))}


def _some(first: Sequence[str], count: int, language: str) -> str:
    """Return the first of `count` names, and the number of the others."""
    named = ", ".join(first)
    _ = translations(language).gettext
    more = _("and {count} more").format(count=count - len(first))
    return f"{named} {more}" if count > len(first) else named


def _own(facts: Json, time_zone: str, language: str) -> str:
    """Return a sentence on how long the own ban of a follower applies."""
    _ = translations(language).gettext
    if "own_review_s" in facts:
        phrase = _("Your own decision does not change: it is due for review {review}.")
        return phrase.format(review=at_words(facts["own_review_s"], time_zone, language))
    if "own_until_s" in facts:
        applies = _("Your own decision does not change: it applies {until}.")
        applied = _("Your own decision does not change: it applied {until} and has lapsed.")
        phrase = applied if facts.get("own_lapsed") else applies
        return phrase.format(until=end_words(facts["own_until_s"], time_zone, language))
    return _("Your own decision does not change: it has no end date.")


def _plain(text: str) -> str:
    """Return `text` as one printable line: values from the database must not forge a header or a line."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(_plain(text), WIDTH, break_on_hyphens=False)


def _command(command: str) -> Iterator[str]:
    """Yield an indented command. Continue a long one with a backslash, as a shell reads it."""
    lines: list[str] = []
    for words in _options(command.split(" ")):
        if lines and len(lines[-1]) + 1 + len(words) + 2 <= WIDTH:
            lines[-1] += f" {words}"
        else:
            lines.append(f"    {'  ' if lines else ''}{words}")
    yield from (f"{line} \\" for line in lines[:-1])
    yield lines[-1]


def _options(words: Sequence[str]) -> list[str]:
    """Return the words of a command, each option together with its value."""
    found: list[str] = []
    for word in words:
        together = found and found[-1].startswith("--") and not word.startswith("--")
        if together:
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found
