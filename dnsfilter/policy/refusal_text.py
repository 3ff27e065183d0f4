"""What a refusal says: the text of its Extended DNS Error (RFC 8914 section 2), and which code."""

from collections.abc import Mapping

from dnsfilter.policy.model import Authority, Ban, Service, Term

TEXT_BYTES = 128
EDE_BLOCKED = 15
EDE_CENSORED = 16

_PHRASES = {
    "nl": "{service} geblokkeerd door {authority}",
    "fr": "{service} bloqué par {authority}",
    "de": "{service} gesperrt durch {authority}",
    "en": "{service} blocked by {authority}",
}


def ede_code(bound: bool) -> int:
    """15 Blocked for an authority's own decision, 16 Censored where another's is binding (RFC 8914 section 4)."""
    return EDE_CENSORED if bound else EDE_BLOCKED


def quoted_reference(ban: Ban, term: Term | None) -> str:
    """The reference of the decision behind the term, else of that behind the ban."""
    own = term.decision.reference if term is not None else ""
    return own or ban.decision.reference


def refusal_text(reference: str, service: Service, decider: Authority, client: Authority) -> str:
    """Reference and contact once, then a phrase per language of the client's authority while 128 octets hold them.

    `reference` is that of the term that holds: see `quoted_reference`.
    `decider` is the ban's authority; `client` that of the range, whose contact answers questions. A region of a
    language ("nl-BE") is no language of its own. What does not fit ends the text: a later language that is shorter
    must not take the place of one that comes before it.
    """
    parts = [part for part in (reference, client.contact) if part]
    text = ""
    for part in parts:
        text = _joined(text, part)
    for language, tag in _spoken(client.languages).items():
        phrase = _PHRASES[language].format(service=service.name, authority=_name(decider, tag, language))
        longer = _joined(text, phrase)
        if longer == text:
            break
        text = longer
    return text


def _spoken(tags: tuple[str, ...]) -> Mapping[str, str]:
    """The languages that there are phrases in, each once and in order, with the first tag that stands for it."""
    found: dict[str, str] = {}
    for tag in tags:
        language = tag.partition("-")[0]
        if language in _PHRASES:
            found.setdefault(language, tag)
    return found


def _name(authority: Authority, tag: str, language: str) -> str:
    """The authority's name under the tag, else under its language, else in the first of its own languages."""
    return authority.name(tag if tag in dict(authority.names) else language)


def _joined(text: str, part: str) -> str:
    """`text; part` while it fits, else `text`: a phrase is never cut."""
    longer = f"{text}; {part}" if text else part
    return longer if len(longer.encode()) <= TEXT_BYTES else text
