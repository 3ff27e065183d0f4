"""A notice's facts -> subject and text, in every language of the authority in order. Pure.

Facts: `ban` is `authority/service`, `reference` that of its decision, `provisional` that it has none yet, `number` of
an exemption or a binding, `until_s` an exclusive end, `at_s` when something happened or begins, `review_s` a date of
review, `resumes_s` when a ban applies again, `still_s` how long another suspension holds, `binds` that a suspension
sets aside bans of the recipient that apply elsewhere, `own_…` how far a follower's own ban reaches; `source`, `bound`,
`former` and `scope` are authorities, the last None for all of them; `node` and `site` are names, `nodes` those of one
or several, and `revision` is that by which they decide.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from api.db.base import Json
from api.notices.date_phrases import at_words, end_words
from api.notices.kinds import Kind
from api.notices.texts import COMMANDS, TEXTS, Phrases
from api.notices.translations import FALLBACK, LOCALES, phrases_in, translations
from dnsfilter.policy.instants import DEFAULT_ZONE
from dnsfilter.policy.model import Authority

WIDTH = 78
"""Of a line, at most: RFC 5322 section 2.1.1."""
SEPARATOR = "* * *"
MOST_NODES = 30
"""So many are named in a notice; of more, how many there are."""
_BODIES = ("source", "bound", "former", "scope")


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Names:
    """What slugs are called: authorities, by slug, and services."""

    bodies: Mapping[str, Authority]
    services: Mapping[str, str]

    def body(self, slug: str, language: str) -> str:
        """An authority's name in that language, else in its own first; the slug where it is not known."""
        found = self.bodies.get(slug)
        return slug if found is None else found.name(language)


def bodies_of(facts: Json) -> frozenset[str]:
    """The authorities that the facts name."""
    named = {str(facts[key]) for key in _BODIES if facts.get(key) is not None}
    return frozenset(named | ({str(facts["ban"]).partition("/")[0]} if "ban" in facts else set()))


def languages_of(to: Authority | None) -> tuple[str, ...]:
    """The languages of a notice: the authority's in order; for those that there are no texts in, English once."""
    tags = (FALLBACK,) if to is None else to.languages
    known = (tag.partition("-")[0].lower() for tag in tags)
    return tuple(dict.fromkeys(tag if tag in LOCALES else FALLBACK for tag in known)) or (FALLBACK,)


def letter(kind: Kind, facts: Json, to: Authority | None, names: Names) -> Letter:
    """The notice to an authority, or to the installation (None: in English, and in the default zone)."""
    languages = languages_of(to)
    time_zone = DEFAULT_ZONE if to is None else to.time_zone
    subjects, sections = [], []
    for language in languages:
        values = _values(facts, time_zone, language, names)
        text = TEXTS[kind]
        subjects.append(_plain(_said(text.subject, text.subject_many, facts, language).format_map(values)))
        sections.append("\n".join(_section(kind, facts, language, values)))
    return Letter(f"dnsfilter: {' / '.join(subjects)}", f"\n\n{SEPARATOR}\n\n".join(sections) + "\n")


def _section(kind: Kind, facts: Json, language: str, values: Mapping[str, str]) -> Iterator[str]:
    text, phrases = TEXTS[kind], phrases_in(language)
    yield from _wrapped(_said(text.what, text.what_many, facts, language).format_map(values))
    if "ban" in facts:
        yield ""
        # Of two bans it is the one that was followed: the reference is that one's.
        body = "source" if "source" in facts else "body"
        slug = facts.get("source", values["authority"])
        yield from _wrapped(f"{phrases.ban}: {values['service']}, {values[body]} ({slug}/{values['slug']})")
        if values["reference"]:
            yield from _wrapped(f"{phrases.reference}: {values['reference']}")
    if kind is Kind.SOURCE_ENDED and facts.get("own_lapsed"):
        return  # There is nothing left to end.
    if text.do:
        yield ""
        yield from _wrapped(translations(language).gettext(text.do))
    # A provisional ban is not renewed, also when it has lapsed.
    command = COMMANDS.get(Kind.PROVISIONAL_ENDING if facts.get("provisional") else kind)
    if command is not None:
        yield ""
        yield from _command(command.format_map(values))


def _values(facts: Json, time_zone: str, language: str, names: Names) -> Mapping[str, str]:
    """What the placeholders of a text stand for."""
    phrases = phrases_in(language)
    authority, _, service = str(facts.get("ban", "")).partition("/")
    values = {
        "authority": authority,
        "slug": service,
        "body": names.body(authority, language),
        "service": names.services.get(service, service),
        "until": end_words(facts["until_s"], time_zone, language) if "until_s" in facts else phrases.endless,
        "own": _own(facts, time_zone, language, phrases),
        "resumes": "",
        "again": phrases.again,
        "binds": phrases.binds if facts.get("binds") else "",
    }
    if "still_s" in facts:
        values["again"] = phrases.still.format(until=end_words(facts["still_s"], time_zone, language))
    if "resumes_s" in facts:
        values["resumes"] = phrases.resumes.format(at=at_words(facts["resumes_s"], time_zone, language))
    for key in ("at", "review"):
        if f"{key}_s" in facts:
            values[key] = at_words(facts[f"{key}_s"], time_zone, language)
    for key in _BODIES:
        if key in facts:
            slug = facts[key]
            values[key] = phrases.everybody if slug is None else names.body(slug, language)
    for key in ("number", "node", "site", "revision", "reference"):
        values[key] = str(facts.get(key, ""))
    if "nodes" in facts:
        values |= _nodes(sorted(facts["nodes"]), phrases)
    return {key: _plain(value) for key, value in values.items()}


def _said(one: str, many: str, facts: Json, language: str) -> str:
    """A text in that language, as it is said of one node or of several."""
    catalogue = translations(language)
    return catalogue.ngettext(one, many, max(len(facts.get("nodes", ())), 1)) if many else catalogue.gettext(one)


def _nodes(names: Sequence[str], phrases: Phrases) -> Mapping[str, str]:
    """The only node, or several: how many, and which."""
    named = ", ".join(names[:MOST_NODES])
    more = f" {phrases.more.format(count=len(names) - MOST_NODES)}" if len(names) > MOST_NODES else ""
    return {"node": named, "nodes": f"{named}{more}", "count": str(len(names))}


def _own(facts: Json, time_zone: str, language: str, phrases: Phrases) -> str:
    """How far the ban of whoever followed another reaches."""
    if "own_review_s" in facts:
        return phrases.own_review.format(review=at_words(facts["own_review_s"], time_zone, language))
    if "own_until_s" in facts:
        phrase = phrases.own_lapsed if facts.get("own_lapsed") else phrases.own_until
        return phrase.format(until=end_words(facts["own_until_s"], time_zone, language))
    return phrases.own_endless


def _plain(text: str) -> str:
    """One line, whatever it was: what comes from the database must forge neither a header nor a line."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(_plain(text), WIDTH, break_on_hyphens=False)


def _command(command: str) -> Iterator[str]:
    """A command, indented; where it is long, continued as a shell reads it."""
    lines: list[str] = []
    for words in _options(command.split(" ")):
        if lines and len(lines[-1]) + 1 + len(words) + 2 <= WIDTH:
            lines[-1] += f" {words}"
        else:
            lines.append(f"    {'  ' if lines else ''}{words}")
    yield from (f"{line} \\" for line in lines[:-1])
    yield lines[-1]


def _options(words: Sequence[str]) -> list[str]:
    """The words of a command, an option together with its value."""
    found: list[str] = []
    for word in words:
        together = found and found[-1].startswith("--") and not word.startswith("--")
        if together:
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found
