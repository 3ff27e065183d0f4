"""dnsfilterctl notice: notices that authorities get by mail."""

import json

import pytest

from tests.support.mail_and_syslog import mail_server
from tests.unit.api.ctl.conftest import Ctl, Served
from tests.unit.api.notices.support import begun, with_mail

NO_MAIL = "No notice is mailed: the control plane has no mail server. Set --notices-mail there.\n"


@pytest.fixture
def notified(served: Served) -> Served:
    """Suspend Ghent and Diest, and make the notices. Ghent's contact is not a mail address."""
    plane = served.plane
    job = begun(plane, to=("installation@example.org",))
    plane.done("PATCH", "/v1/authorities/ghent", {"contact": "02 123 45 67"})
    for authority in ("ghent", "diest"):
        plane.done("POST", "/v1/suspensions", {"authority": authority, "for": "30m", "reason": "nobody can work"})
    plane.clock.now += 1
    job.look()
    return served


@pytest.mark.usefixtures("notified")
def test_list_shows_recipient_subject_and_state(ctl: Ctl) -> None:
    done = ctl("notice", "list")
    assert (done.code, done.err) == (0, NO_MAIL)
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in done.out.splitlines()]
    assert cells[0][0] == "no."
    assert [line[1:] for line in cells[1:]] == [
        ["suspension started", "diest", "Stad Diest", "waiting since 21 September 2026 16:13:22 CEST, tries: 0"],
        [
            "suspension started",
            "ghent",
            "Stad Gent",
            "failed, made 21 September 2026 16:13:22 CEST",
            "the contact is not a mail address",
        ],
    ]


@pytest.mark.usefixtures("notified")
def test_list_is_filtered(ctl: Ctl) -> None:
    done = ctl("notice", "list", "--state", "failed", "--authority", "ghent", "--json")
    assert [item["authority"] for item in json.loads(done.out)["items"]] == ["ghent"]
    none = ctl("notice", "list", "--state", "sent")
    assert (none.code, none.err) == (0, f"no notices\n{NO_MAIL}")
    assert ctl("notice", "list", "--state", "lost").code == 2


def test_test_mail_is_sent_or_the_reason_printed(served: Served, ctl: Ctl) -> None:
    done = ctl("notice", "test")
    assert done.code == 2
    assert "DNSFILTER_API_NOTICES_MAIL" in done.err
    with mail_server() as mailbox:
        with_mail(served.plane, mailbox.port, "network@example.org")
        done = ctl("notice", "test")
        assert (done.code, done.out) == (0, "the mail server took a test mail to network@example.org\n")
    done = ctl("notice", "test")
    assert (done.code, done.out) == (1, "not sent to network@example.org: Connection refused\n")
