"""Mail about alerts, as the shipped configuration and template of a real Alertmanager write it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from tests.support.alert_rules import RUNBOOK, alert_rules
from tests.support.alertmanager import mail_configuration, post_alerts, running
from tests.support.mail_and_syslog import Mailbox, mail_server
from tests.support.nodes import eventually

WITHIN_S = 30.0
DASHBOARDS = "https://wiki.example.org/grafana/"


@dataclass(frozen=True, slots=True)
class Office:
    """A running Alertmanager, and the mail server that it uses."""

    address: str
    mailbox: Mailbox

    def send(self, *alerts: Mapping[str, Any]) -> None:
        post_alerts(self.address, alerts)

    def mail(self, number: int) -> tuple[str, str, str]:
        """Wait for that many mails. Return recipient, subject and text of the last of them."""
        assert eventually(lambda: len(self.mailbox.received) >= number, WITHIN_S, 0.1), self.mailbox.lines
        envelope = self.mailbox.received[number - 1]
        message = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        assert isinstance(message, EmailMessage)
        plain = message.get_body(("plain",))
        assert plain is not None
        assert message.get_body(("html",)) is None
        return envelope.rcpt_tos[0], message["Subject"], plain.get_content().replace("\r\n", "\n")


@contextmanager
def office(directory: Path) -> Iterator[Office]:
    with mail_server() as mailbox, running(directory, mail_configuration(mailbox.port)) as address:
        yield Office(address, mailbox)


def alert(name: str, *, ended: bool = False, **labels: str) -> dict[str, Any]:
    """Return an alert as Prometheus sends it, with its labels in the shipped annotations."""
    rule = next(rule for rule in alert_rules() if rule["alert"] == name)
    texts = dict(rule["annotations"])
    for key, text in texts.items():
        text = text.replace("{{ $externalLabels.runbook }}", RUNBOOK)
        for label, value in labels.items():
            text = text.replace(f"{{{{ $labels.{label} }}}}", value)
        texts[key] = text
    now = datetime.now(UTC)
    times = {"startsAt": (now - timedelta(hours=1)).isoformat()}
    if ended:
        times["endsAt"] = (now - timedelta(seconds=1)).isoformat()
    labels = {"alertname": name, "severity": rule["labels"]["severity"], "dashboards": DASHBOARDS, **labels}
    return {"labels": labels, "annotations": texts, **times}


def test_the_subject_is_the_summary_and_the_text_says_what_to_do(tmp_path: Path) -> None:
    with office(tmp_path) as found:
        found.send(alert("DnsfilterNodeDown", instance="ghent-1"))
        to, subject, text = found.mail(1)
        assert (to, subject) == ("dns-on-call@example.org", "The node ghent-1 does not answer Prometheus.")
        assert "systemctl status dnsfilter" in text
        assert "Severity:   critical\n" in text
        assert f"What to do: {RUNBOOK}node.html#dnsfilternodedown\n" in text
        assert f"Dashboards: {DASHBOARDS}\n" in text
        found.send(alert("DnsfilterNodeDown", instance="ghent-2"))
        assert found.mail(2)[1] == "The node ghent-2 does not answer Prometheus."
        found.send(alert("DnsfilterNodeDown", instance="ghent-1", ended=True))
        to, subject, text = found.mail(3)
        expected = ("dns-on-call@example.org", "Resolved: The node ghent-1 does not answer Prometheus.")
        assert (to, subject) == expected
        assert "Until:" in text


def test_bans_that_end_on_one_day_are_one_mail_to_the_team(tmp_path: Path) -> None:
    services = ("facebook", "instagram", "tiktok")
    ends = [alert("DnsfilterBanEnds", instance="control-plane", authority="ghent", service=one) for one in services]
    with office(tmp_path) as found:
        found.send(*ends)
        to, subject, text = found.mail(1)
        assert to == "dns@example.org"
        assert subject.startswith("The ban of ghent on facebook ends in")
        assert subject.endswith("(and 2 more)")
        assert all(f"The ban of ghent on {one} ends" in text for one in services)
        assert "<no value>" not in text


def test_each_ban_that_is_switched_off_has_a_mail_of_its_own(tmp_path: Path) -> None:
    with office(tmp_path) as found:
        for number, service in enumerate(("facebook", "tiktok"), 1):
            found.send(alert("DnsfilterBanSwitchedOff", instance="control-plane", authority="ghent", service=service))
            assert found.mail(number)[1] == f"The ban of ghent on {service} was switched off."
