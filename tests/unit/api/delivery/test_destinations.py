"""Destinations of checkpoints and notices, as settings write them."""

from pathlib import Path

import pytest

from api.delivery.destinations import (
    MAX_LOGIN,
    FileDestination,
    Login,
    MailDestination,
    SyslogDestination,
    Transport,
    is_mailbox,
    parse_file_destination,
    parse_mail_destination,
    parse_syslog_destination,
)

MAIL = "from=dns@example.org&to=record@example.org"


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        (f"smtp://192.0.2.25?{MAIL}", ("192.0.2.25", 25, False, ("record@example.org",))),
        (f"smtp://[2001:db8::25]:2525/?{MAIL}", ("2001:db8::25", 2525, False, ("record@example.org",))),
        (
            f"smtps://mail.example.org?{MAIL},b+c@example.org&to=d@example.org",
            ("mail.example.org", 465, True, ("record@example.org", "b+c@example.org", "d@example.org")),
        ),
    ],
)
def test_a_mail_server_is_named_with_sender_and_recipients(
    text: str, destination: tuple[str, int, bool, object]
) -> None:
    host, port, tls, recipients = destination
    assert parse_mail_destination(text) == MailDestination(host, port, tls, "dns@example.org", recipients)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "192.0.2.25",
        f"http://192.0.2.25?{MAIL}",
        f"smtp://?{MAIL}",
        f"smtp://192.0.2.25:0?{MAIL}",
        f"smtp://192.0.2.25:99999?{MAIL}",
        f"smtp://192.0.2.25/path?{MAIL}",
        f"smtp://192.0.2.25?{MAIL}&subject=x",
        "smtp://192.0.2.25?to=record@example.org",
        "smtp://192.0.2.25?from=dns@example.org",
        f"smtp://192.0.2.25?{MAIL}&from=other@example.org",
        "smtp://192.0.2.25?from=dns@example.org&to=a@example.org%0d%0aBcc:b@example.org",
        "smtp://192.0.2.25?from=dns@example.org&to=,",
    ],
)
def test_invalid_mail_destinations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_mail_destination(text)


@pytest.mark.parametrize(
    ("text", "port", "tls", "login"),
    [
        ("smtp://dns:secret@192.0.2.25", 587, False, Login("dns", "secret")),
        ("smtp://dns:secret@192.0.2.25:25", 25, False, Login("dns", "secret")),
        ("smtps://dns%40example.org:s%2Fe%3Ac%25@192.0.2.25:4650", 4650, True, Login("dns@example.org", "s/e:c%")),
        ("smtps://dns:secret@192.0.2.25", 465, True, Login("dns", "secret")),
    ],
)
def test_a_login_is_written_before_the_host(text: str, port: int, tls: bool, login: Login) -> None:
    destination = parse_mail_destination(f"{text}?{MAIL}")
    assert destination == MailDestination("192.0.2.25", port, tls, "dns@example.org", ("record@example.org",), login)


def test_the_text_of_a_destination_hides_its_password() -> None:
    destination = parse_mail_destination(f"smtp://dns:secret@192.0.2.25?{MAIL}")
    assert "secret" not in f"{destination!r} {destination} {destination.login}"


@pytest.mark.parametrize(
    "text",
    [
        f"smtp://dns:secret@192.0.2.25/path?{MAIL}",
        f"smpt://dns:secret@192.0.2.25?{MAIL}",
        f"smtp://dns:secret@192.0.2.25:port?{MAIL}",
        f"smtp://dns:secret@192.0.2.25?{MAIL}&subject=x",
        "smtp://dns:secret@192.0.2.25",
        f"smtp://dns:secret/x@192.0.2.25?{MAIL}",
        f"smtp://dns:x/secret@192.0.2.25?{MAIL}",
        f"smtp://dns:secret?x@192.0.2.25?{MAIL}",
        f"smtp://dns:x?secret@192.0.2.25?{MAIL}",
        f"smtp://dns:x#secret@192.0.2.25?{MAIL}",
        f"smtp://dns:[secret]@192.0.2.25?{MAIL}",
        f"smtp://dns:\N{ACCOUNT OF}secret@192.0.2.25?{MAIL}",
        f"smtp://dns:secr\N{LATIN SMALL LETTER E WITH ACUTE}t@192.0.2.25?{MAIL}",
        f"smtp://dns:secret%00@192.0.2.25?{MAIL}",
        f"smtp://dns:secret%0d%0a@192.0.2.25?{MAIL}",
        f"smtp://dns:{'secret' * MAX_LOGIN}@192.0.2.25?{MAIL}",
        f"smtp://secret@192.0.2.25?{MAIL}",
        f"smtp://:secret@192.0.2.25?{MAIL}",
        f"smtp://dns:@192.0.2.25?{MAIL}",
    ],
)
def test_a_wrong_login_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_mail_destination(text)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("text", "destination"),
    [
        ("udp://192.0.2.1", SyslogDestination(Transport.UDP, "192.0.2.1", 514)),
        ("tls://log.example.org", SyslogDestination(Transport.TLS, "log.example.org", 6514)),
        ("tcp://[2001:db8::1]:601", SyslogDestination(Transport.TCP, "2001:db8::1", 601)),
        ("/dev/log", SyslogDestination(Transport.UNIX, "/dev/log")),
    ],
)
def test_a_syslog_server_is_an_address_or_a_socket(text: str, destination: SyslogDestination) -> None:
    assert parse_syslog_destination(text) == destination


@pytest.mark.parametrize(
    "text", ["", "dev/log", "192.0.2.1:514", "tcps://192.0.2.1", "udp://", "udp://192.0.2.1:0", "udp://a:b@192.0.2.1"]
)
def test_invalid_syslog_destinations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_syslog_destination(text)


def test_a_file_may_be_missing_but_may_not_be_a_directory(tmp_path: Path) -> None:
    assert parse_file_destination(str(tmp_path / "held")) == FileDestination(tmp_path / "held")
    with pytest.raises(ValueError, match="is a directory"):
        parse_file_destination(str(tmp_path))


def test_a_mail_server_for_notices_needs_no_recipient() -> None:
    assert parse_mail_destination("smtp://192.0.2.25?from=dns@example.org", least=0).recipients == ()
    with pytest.raises(ValueError, match="0 to 20 as to"):
        parse_mail_destination("smtp://192.0.2.25", least=0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ict@example.org", True),
        ("helpdesk, 02 123 45 67", False),
        ("ict@example.org, other@example.org", False),
        ("ICT <ict@example.org>", False),
        ("ict@example.org\nBcc: other@example.org", False),
        ("ict@example.org\n", False),
        ("=?x?q?a=0Ab?=@example.org", False),
        ("ict@=?x?q?a=0Ab?=.example.org", False),
        ("ict@.example.org", False),
        ("ict@example.org.", False),
        ("ict@ex..org", False),
        ("o'hara+dns=x@example.org", True),
        ("ict@localhost", True),
        (f"ict@{'a' * 61}.{'b' * 191}", True),
        (f"ict@{'a' * 61}.{'b' * 192}", False),
        ("", False),
    ],
)
def test_a_mailbox_is_exactly_one_address(text: str, expected: bool) -> None:
    assert is_mailbox(text) is expected
