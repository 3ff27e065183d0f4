"""Answers of the refusal page: who refuses, by which decision, whom to ask, and in which language."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from dnsfilter.policy.model import Authority, Ban, Exemption, Mode, Reply
from dnsfilter.refusal_page.answers import Deciding, answer
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.reader import Snapshot
from tests.support.policies import NOW, authority, ban, exemption, network, policy, service

CLIENT = "192.0.2.7"
GHENT = replace(authority("ghent"), names=(("nl", "Stad Gent"),), contact="ict@ghent.example")
VIDEO = replace(service("video", ["video.example"]), name="Video")
BAN = ban(1, "ghent", "video", reply=Reply.ADDRESS, addresses=("192.0.2.80",), reference="CBS/2026/12")


def deciding(*acts: Ban | Exemption, owner: Authority = GHENT) -> Deciding:
    made = compile_policy(policy(owner, network("192.0.2.0/24", "ghent"), VIDEO, *acts), NOW)
    snapshot = Snapshot.open(made.manifest, made.names.data, made.ranges.data, made.rules.data, "default")
    return Deciding(snapshot, NOW)


def asked(
    by: Deciding, name: str = "www.video.example", client: str = CLIENT, method: str = "GET", lang: str = ""
) -> str:
    head = f"{method} / HTTP/1.1\r\nHost: {name}\r\nAccept-Language: {lang}\r\n\r\n".encode()
    return answer(head, ip_address(client), by).decode()


def status(message: str) -> int:
    return int(message.split(" ", 2)[1])


def test_a_refused_name_is_explained() -> None:
    message = asked(deciding(BAN))
    assert status(message) == 451
    for part in ("www.video.example", "Stad Gent", "CBS/2026/12", "ict@ghent.example", "<dd>Video</dd>"):
        assert part in message
    assert 'Link: <mailto:ict@ghent.example>; rel="blocked-by"\r\n' in message


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "nl"),
        ("fr", "fr"),
        ("de-AT,en;q=0.8", "de"),
        ("es,en;q=0.3,fr;q=0.7", "fr"),
        ("pt", "nl"),
        ("nl;q=0,en", "en"),
    ],
)
def test_the_reader_s_language_wins_then_the_authority_s(accepted: str, language: str) -> None:
    message = asked(deciding(BAN), lang=accepted)
    assert f'<html lang="{language}">' in message
    assert f"Content-Language: {language}\r\n" in message


@pytest.mark.parametrize(
    ("by", "name", "client"),
    [
        (deciding(BAN), "free.example", CLIENT),
        (deciding(BAN), "www.video.example", "198.51.100.1"),
        (deciding(BAN), "", CLIENT),
        (deciding(replace(BAN, mode=Mode.MONITOR)), "www.video.example", CLIENT),
        (deciding(BAN, exemption(1, 1, ["192.0.2.0/24"])), "www.video.example", CLIENT),
        (replace(deciding(BAN), at=NOW), "notvideo.example", CLIENT),
    ],
    ids=["free", "unregistered", "no name", "monitored", "exempted", "like it"],
)
def test_a_name_that_is_not_refused_to_this_client_has_another_page(by: Deciding, name: str, client: str) -> None:
    message = asked(by, name, client)
    assert status(message) == 404
    assert "Nothing is refused here" in message
    assert "Stad Gent" not in message


def test_a_refusal_without_a_formal_decision_is_forbidden() -> None:
    message = asked(deciding(replace(BAN, decision=replace(BAN.decision, reference=""))))
    assert status(message) == 403
    assert "ict@ghent.example" in message
    assert "Link:" not in message


def test_head_has_no_content_and_the_same_headers() -> None:
    full, short = asked(deciding(BAN)), asked(deciding(BAN), method="HEAD")
    head, _, content = full.partition("\r\n\r\n")
    assert short == f"{head}\r\n\r\n"
    assert f"Content-Length: {len(content.encode())}\r\n" in head


@pytest.mark.parametrize("method", ["GET", "POST", "BAD METHOD"])
def test_every_answer_forbids_caching_scripts_and_frames(method: str) -> None:
    message = asked(deciding(BAN), method=method)
    for line in ("Cache-Control: no-store", "Connection: close", "Content-Security-Policy: default-src 'none'"):
        assert line in message
    assert "<script" not in message


def test_hostile_text_is_shown_as_text() -> None:
    owner = replace(GHENT, names=(("nl", "<b>Gent"),), contact="<img src=x>")
    message = asked(deciding(replace(BAN, decision=replace(BAN.decision, reference='"><i>')), owner=owner))
    assert "&lt;b&gt;Gent" in message
    for part in ("<b>", "<img", "<i>"):
        assert part not in message


def test_without_a_snapshot_it_says_that_it_is_not_ready() -> None:
    assert status(asked(Deciding(None, NOW))) == 503


def test_only_get_and_head_are_allowed() -> None:
    message = asked(deciding(BAN), method="DELETE")
    assert status(message) == 405
    assert "Allow: GET, HEAD\r\n" in message
