"""What a refusal says: the text of its Extended DNS Error (RFC 8914 section 2), and which code."""

from dnsfilter.policy.model import Authority, Ban, Service

TEXT_OCTETS = 128
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


def refusal_text(ban: Ban, service: Service, decider: Authority, client: Authority) -> str:
    """Reference and contact once, then a phrase per language of the client's authority while 128 octets hold them.

    `decider` is the ban's authority; `client` that of the range, whose contact answers questions.
    """
    parts = [part for part in (ban.decision.reference, client.contact) if part]
    text = ""
    for part in parts:
        text = _joined(text, part)
    for language in client.languages:
        phrase = _PHRASES.get(language)
        if phrase is not None:
            longer = _joined(text, phrase.format(service=service.name, authority=decider.name(language)))
            if longer == text:
                break
            text = longer
    return text


def _joined(text: str, part: str) -> str:
    """`text; part` while it fits, else `text`: a phrase is never cut."""
    longer = f"{text}; {part}" if text else part
    return longer if len(longer.encode()) <= TEXT_OCTETS else text
