"""A test mail: to whom it goes, what the log keeps, and what a server's refusal looks like."""

import pytest

from tests.support.mail_and_syslog import mail_server
from tests.unit.api.conftest import Plane
from tests.unit.api.notices.support import messages, with_mail


def test_mail_goes_to_the_authoritys_contact_or_to_the_installations(town: Plane) -> None:
    town.done("PATCH", "/v1/authorities/town", {"contact": "ict@town.example.org"})
    with mail_server() as mailbox:
        with_mail(town, mailbox.port, "network@example.org")
        first = town.done("POST", "/v1/notices/test", {"authority": "town"})
        second = town.done("POST", "/v1/notices/test", {})
    assert first == {"authority": "town", "recipients": ["ict@town.example.org"], "sent": True, "failure": ""}
    assert (second["recipients"], second["sent"]) == (["network@example.org"], True)
    sent = messages(mailbox)
    assert [message["To"] for message in sent] == ["ict@town.example.org", "network@example.org"]
    assert sent[0]["Subject"] == "dnsfilter: test of notices"
    assert town.done("GET", "/v1/notices")["items"] == []
    entries = town.done("GET", "/v1/audit?act=notice.test")["items"]
    assert [entry["after"] for entry in entries] == [{"authority": None}, {"authority": "town"}]


def test_refusal_is_reported_without_the_servers_words(town: Plane) -> None:
    town.done("PATCH", "/v1/authorities/town", {"contact": "ict@town.example.org"})
    with mail_server() as mailbox:
        mailbox.refusing = True
        with_mail(town, mailbox.port)
        refused = town.done("POST", "/v1/notices/test", {"authority": "town"})
    assert not refused["sent"]
    assert refused["failure"].startswith("refused with ")
    down = town.done("POST", "/v1/notices/test", {"authority": "town"})
    assert (down["sent"], down["failure"]) == (False, "Connection refused")


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"authority": "nowhere"}, 422, "nowhere"),
        ({}, 409, "the installation has no address: add to=ADDRESS to DNSFILTER_API_NOTICES_MAIL"),
        ({"authority": "town"}, 409, "the contact of town is not a mail address"),
    ],
)
def test_mail_without_an_address_is_refused_and_not_recorded(
    town: Plane, body: dict[str, str], status: int, detail: str
) -> None:
    town.done("PATCH", "/v1/authorities/town", {"contact": "02 123 45 67"})
    with mail_server() as mailbox:
        with_mail(town, mailbox.port)
        answer = town.call("POST", "/v1/notices/test", body)
    assert answer.status_code == status
    assert detail in answer.text
    assert mailbox.received == []
    assert town.done("GET", "/v1/audit?act=notice.test")["items"] == []


def test_control_plane_without_a_mail_server_says_which_setting_it_needs(town: Plane) -> None:
    answer = town.call("POST", "/v1/notices/test", {})
    assert answer.status_code == 409
    assert "DNSFILTER_API_NOTICES_MAIL" in answer.json()["detail"]
