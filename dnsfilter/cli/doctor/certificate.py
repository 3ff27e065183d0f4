"""The certificate of `[encrypted]`: whether it can be used, is for the node's name, and how long it lasts."""

import time

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.config.node_config import Config
from dnsfilter.errors import ConfigError
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.model import DAY_S
from dnsfilter.worker.tls_pair import Pair, load_pair

SOON_S = 14 * DAY_S
"""Certificates with less time left are a finding: ACME clients renew them a month before their end."""
CA_SOON_S = 60 * DAY_S
"""A CA with less time left is a finding: each of its devices needs another certificate before its end."""
RENEW = "renew it: see docs/tasks/encrypted-dns.md; for certbot, type certbot renew"
REPLACE_CA = (
    "give devices certificates of another CA, and add it to the file of encrypted.client_ca; "
    "take the old one out when no device uses it"
)


def certificate_text(config: Config) -> str | None:
    """Return when the certificate expires and what is doubtful about it, None without encrypted listeners.

    Raise ConfigError with every reason why it cannot be used.
    """
    pair = load_pair(config.encrypted)
    if pair is None:
        return None
    doubts = [text for text, _ in _doubts(pair, config.encrypted.name, int(time.time()))]
    return "; ".join(doubts) or f"for {config.encrypted.name} until {at_words(pair.expires_s)}"


def encrypted(subject: Subject) -> Outcome:
    """Find a certificate that cannot be used, is for another name, or expires soon."""
    name = subject.config.encrypted.name
    try:
        pair = load_pair(subject.config.encrypted)
    except ConfigError as error:
        advice = f"type {subject.command('check')} as root, and change what it says"
        return Outcome(tuple(Finding(str(problem), advice) for problem in error.problems))
    if pair is None:
        return Outcome(seen="no encrypted listeners are configured")
    findings = tuple(Finding(*doubt) for doubt in _doubts(pair, name, int(subject.now_s)))
    return Outcome(findings, f"the certificate is for {name} and valid until {at_words(pair.expires_s)}")


def _doubts(pair: Pair, name: str, now: int) -> list[tuple[str, str]]:
    """Return what clients will not accept, now or soon, each with what to do."""
    doubts = []
    if pair.expires_s <= now:
        doubts.append((f"the certificate expired on {at_words(pair.expires_s)}: clients reject it", RENEW))
    elif pair.expires_s <= now + SOON_S:
        doubts.append((f"the certificate expires on {at_words(pair.expires_s)}", RENEW))
    if pair.client_ca is not None and pair.client_ca.expires_s <= now + CA_SOON_S:
        words = "expired" if pair.client_ca.expires_s <= now else "expires"
        doubts.append((f"the CA of devices {words} on {at_words(pair.client_ca.expires_s)}", REPLACE_CA))
    if not pair.covers(name):
        names = ", ".join(pair.names) or "no name"
        advice = f"set encrypted.name to a name of the certificate, or get one for {name}"
        doubts.append((f"the certificate is for {names}, not for {name}", advice))
    return doubts
