"""The Extended DNS Error of a refusal: its text (RFC 8914 section 2), for people and for browsers, and its code."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from json import dumps
from urllib.parse import quote

from dnsfilter.policy.model import Authority, Ban, Service, Term

TEXT_BYTES = 128
_SERVICE = "\0"
EDE_BLOCKED = 15
EDE_CENSORED = 16
_NETWORK_OPERATOR_POLICY = 5
"""The sub-error of an authority's own decision."""
_MAILBOX = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"/]+")
_TELEPHONE = re.compile(r"\+[0-9][0-9 .-]{4,}")

_PHRASES = {
    "nl": "{service} geblokkeerd door {authority}",
    "fr": "{service} bloqué par {authority}",
    "de": "{service} gesperrt durch {authority}",
    "en": "{service} blocked by {authority}",
}
_SPOKEN = {
    language: re.compile(re.escape(phrase).replace(r"\{service\}", "(.+)").replace(r"\{authority\}", "(.+)"))
    for language, phrase in _PHRASES.items()
}
"""What recognizes a phrase, by its language."""


def ede_code(bound: bool) -> int:
    """Return 15 Blocked for an authority's own decision, 16 Censored for another's (RFC 8914 section 4)."""
    return EDE_CENSORED if bound else EDE_BLOCKED


def quoted_reference(ban: Ban, term: Term | None) -> str:
    """Return the reference of the term's formal decision, else of the ban's."""
    own = term.decision.reference if term is not None else ""
    return own or ban.decision.reference


def refusal_text(reference: str, service: Service, decider: Authority, client: Authority) -> str:
    """Return reference and contact, then a phrase per language of the client's authority, in at most 128 bytes.

    `reference` is that of the term in force: see `quoted_reference`. `decider` is the ban's authority. `client` is the
    range's authority; its contact answers questions. A regional language ("nl-BE") uses the phrase of its language.
    The first part that does not fit ends the text: a later, shorter language must not replace an earlier one.
    """
    return filled_refusal(refusal_template(reference, decider, client), service.name)


def refusal_template(reference: str, decider: Authority, client: Authority) -> str:
    """Return the parts of a refusal text, one a line, with `_SERVICE` for the name of the service."""
    parts = [part for part in (reference, client.contact) if part]
    for language, tag in _spoken(client.languages).items():
        parts.append(_PHRASES[language].format(service=_SERVICE, authority=_name(decider, tag, language)))
    return "\n".join(parts)


def filled_refusal(template: str, service: str) -> str:
    """Return the refusal text of a template for the service with this name."""
    text = ""
    for part in template.split("\n"):
        longer = _joined(text, part.replace(_SERVICE, service))
        if longer == text and _SERVICE in part:
            break
        text = longer
    return text


def structured_text(reference: str, decider: Authority, client: Authority, *, bound: bool) -> str:
    """Return the refusal as I-JSON, in at most 128 bytes, or "" if no database has the decider's register.

    The names are those of draft-ietf-dnsop-structured-dns-error and draft-ietf-dnsop-filtering-transparency. Clients
    discard an object without contact and sub-error. No sub-error applies to another authority's decision.
    """
    if not (reference and decider.public_register and decider.filtering_database):
        return ""
    contact = _contact_uri(client.contact)
    cause: dict[str, object] = {} if bound else {"s": _NETWORK_OPERATOR_POLICY}
    entries = {"fdbs": [{"db": decider.filtering_database, "id": reference}]}
    for known in ({"c": [contact], **cause} if contact else {}, cause):
        text = dumps({**known, **entries}, ensure_ascii=False, separators=(",", ":"))
        if known and len(text.encode()) <= TEXT_BYTES:
            return text
    return ""


def _contact_uri(contact: str) -> str:
    """Return a contact as a URI that clients may show (mailto or tel), or ""."""
    if _MAILBOX.fullmatch(contact):
        return "mailto:" + quote(contact, safe="@!$'*+")
    return f"tel:{re.sub('[ .-]', '', contact)}" if _TELEPHONE.fullmatch(contact) else ""


@dataclass(frozen=True, slots=True)
class RefusalParts:
    """What a refusal text says. `language` is that of its first phrase. Each may be empty if the text had no room."""

    reference: str
    contact: str
    service: str = ""
    authority: str = ""
    language: str = ""


def refusal_parts(text: str) -> RefusalParts:
    """Return the parts of a refusal text. A text with one part before its phrases has a contact and no reference."""
    said = text.split("; ") if text else []
    for number, part in enumerate(said):
        for language, pattern in _SPOKEN.items():
            found = pattern.fullmatch(part)
            if found is not None:
                return RefusalParts(*_reference_and_contact(said[:number]), found[1], found[2], language)
    return RefusalParts(*_reference_and_contact(said))


def _reference_and_contact(parts: list[str]) -> tuple[str, str]:
    return "; ".join(parts[:-1]), parts[-1] if parts else ""


def _spoken(tags: tuple[str, ...]) -> Mapping[str, str]:
    """Return the languages that have phrases, each once and in order, with the first tag for it."""
    found: dict[str, str] = {}
    for tag in tags:
        language = tag.partition("-")[0]
        if language in _PHRASES:
            found.setdefault(language, tag)
    return found


def _name(authority: Authority, tag: str, language: str) -> str:
    """Return the authority's name under the tag, else under its language, else in the first of its own languages."""
    return authority.name(tag if tag in dict(authority.names) else language)


def _joined(text: str, part: str) -> str:
    """Return `text; part` if it fits, else `text`. A phrase is never cut."""
    longer = f"{text}; {part}" if text else part
    return longer if len(longer.encode()) <= TEXT_BYTES else text
