"""Limits of the client, and failures as errors with their exit codes."""

import json
import socket
import ssl
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from api.authorities.schemas import AuthorityRead
from api.ctl.exit_codes import CtlError, Denied, NotInForce, Unreachable, WrongInput
from api.ctl.remote import connection as module
from api.ctl.remote.client import Client, parse_url, path
from api.server.schemas import VersionRead
from tests.support.certificates import Authority
from tests.unit.api.ctl.conftest import TOKEN, Scripted, answered_authority


def _problem(status: int, kind: str, **more: Any) -> tuple[int, str, bytes]:
    body = {"type": f"/problems/{kind}", "title": "the title", "status": status, "detail": "the detail", **more}
    return status, "application/problem+json", json.dumps(body).encode()


@pytest.mark.parametrize(
    ("answer", "error", "lines"),
    [
        (_problem(401, "not-authenticated"), Denied, ["the title: the detail"]),
        (_problem(403, "forbidden"), Denied, ["the title: the detail"]),
        (_problem(404, "not-found"), WrongInput, ["the title: the detail"]),
        (_problem(404, "not-found", detail="A sentence."), WrongInput, ["A sentence."]),
        (_problem(409, "conflict"), WrongInput, ["the detail"]),
        (_problem(412, "stale"), WrongInput, ["the detail"]),
        (
            _problem(422, "invalid", faults=[{"location": "body.mode", "message": "no mode"}]),
            WrongInput,
            ["the title: the detail", "body.mode: no mode"],
        ),
        (
            _problem(422, "invalid", detail="body.a: no; body.b: no", faults=[{"location": "body.a", "message": "no"}]),
            WrongInput,
            ["the title", "body.a: no"],
        ),
        (_problem(503, "not-published"), NotInForce, ["the title: the detail"]),
        (_problem(429, "too-many-at-once"), Unreachable, ["URL cannot answer now: the title: the detail"]),
        (_problem(503, "database-unavailable"), Unreachable, ["URL cannot answer now: the title: the detail"]),
        ((403, "text/html", b"<h1>no</h1>"), Denied, ["URL refuses the request: HTTP 403"]),
        ((302, "text/html", b""), Unreachable, ["URL is not a dnsfilter control plane: HTTP 302. Check --api."]),
        ((502, "text/html", b"<h1>"), Unreachable, ["URL is not a dnsfilter control plane: HTTP 502. Check --api."]),
    ],
)
def test_status_of_an_answer_decides_the_error(
    scripted: Scripted, answer: tuple[int, str, bytes], error: type[CtlError], lines: list[str]
) -> None:
    scripted.answers["/version"] = answer
    with Client(scripted.url, TOKEN) as client, pytest.raises(error) as caught:
        client.get(VersionRead, "/version")
    assert [line.replace(scripted.url, "URL") for line in caught.value.lines] == lines


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"<html>", "the answer: Invalid JSON"),
        (b"[]", "the answer: Input should be an object"),
        (b"{}", "version: Field required"),
        (b'{"version": 1}', "version: Input should be a valid string"),
        (b'{"version": ' + b"9" * 5000 + b"}", "the answer: Invalid JSON"),
        (b"[" * 5000, "the answer: Invalid JSON"),
    ],
)
def test_answer_of_another_shape_is_unreachable(scripted: Scripted, body: bytes, what: str) -> None:
    scripted.answers["/version"] = (200, "application/json", body)
    with Client(scripted.url, None) as client, pytest.raises(Unreachable, match=what):
        client.get(VersionRead, "/version")


def test_fields_of_a_newer_control_plane_are_kept(scripted: Scripted) -> None:
    scripted.answers["/version"] = (200, "application/json", b'{"version": "2", "built": "today"}')
    with Client(scripted.url, None) as client:
        assert client.get(VersionRead, "/version").model_dump() == {"version": "2", "built": "today"}


def test_answer_above_the_size_limit_is_refused(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    scripted.answers["/v1/policy"] = (200, "application/toml", b"#" * 1001)
    with Client(scripted.url, TOKEN) as client, pytest.raises(Unreachable, match="larger than 1000 bytes"):
        client.text("/v1/policy")


@pytest.mark.parametrize(("method", "warned"), [("GET", False), ("POST", True)])
def test_timeout_of_an_act_warns_that_it_may_have_been_recorded(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, method: str, warned: bool
) -> None:
    monkeypatch.setattr(module, "TOTAL_S", -1.0)
    scripted.answers["/version"] = (200, "application/json", b'{"version": "2"}')
    with Client(scripted.url, TOKEN) as client, pytest.raises(Unreachable, match="did not answer in time") as caught:
        client.send(VersionRead, method, "/version")
    assert ("The act may have been recorded." in str(caught.value)) is warned


def test_a_list_follows_cursors_up_to_its_limit(scripted: Scripted) -> None:
    page = {"items": [answered_authority("a"), answered_authority("b")], "next": "more"}
    scripted.answers["/v1/authorities"] = (200, "application/json", json.dumps(page).encode())
    with Client(scripted.url, TOKEN) as client:
        found = client.list(AuthorityRead, path("authorities"), 5)
    assert [item.slug for item in found.items] == ["a", "b", "a", "b", "a"]
    assert [spoken.path for spoken in scripted.spoken] == [
        "/v1/authorities?limit=5",
        "/v1/authorities?limit=3&cursor=more",
        "/v1/authorities?limit=1&cursor=more",
    ]


def test_list_ends_at_an_empty_page(scripted: Scripted) -> None:
    scripted.answers["/v1/authorities"] = (200, "application/json", b'{"items": [], "next": "more"}')
    with Client(scripted.url, TOKEN) as client:
        assert client.list(AuthorityRead, path("authorities"), 5).items == []
    assert len(scripted.spoken) == 1


def test_token_is_sent_only_in_the_header(scripted: Scripted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    scripted.answers["/version"] = (200, "application/json", b'{"version": "2"}')
    with Client(scripted.url, TOKEN) as client:
        client.get(VersionRead, "/version", {"name": "a&b", "absent": None})
    with Client(scripted.url, None) as client:
        client.get(VersionRead, "/version")
    first, second = scripted.spoken
    assert first.path == "/version?name=a%26b"
    assert first.headers["Authorization"] == f"Bearer {TOKEN}"
    assert "Authorization" not in second.headers


def test_unusable_certificates_are_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for file in ("empty.pem", "none.pem"):
        with pytest.raises(WrongInput, match=f"cannot use the certificates in .*{file}"):
            Client("https://127.0.0.1:1", None, str(tmp_path / file))


def test_a_certificate_of_an_unknown_authority_names_the_option_that_helps(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    Authority(tmp_path).issue(certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = Thread(target=_refused_handshake, args=(listening, context))
        serving.start()
        with (
            Client(f"https://127.0.0.1:{listening.getsockname()[1]}", None) as client,
            pytest.raises(Unreachable, match=r"certificate verify failed: .*: give the file .* with --ca$"),
        ):
            client.get(VersionRead, "/version")
        serving.join()


def _refused_handshake(listening: socket.socket, context: ssl.SSLContext) -> None:
    accepted, _ = listening.accept()
    with accepted, pytest.raises(ssl.SSLError):
        context.wrap_socket(accepted, server_side=True)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (("ranges", "default", "2001:db8::", "32"), "/v1/ranges/default/2001%3Adb8%3A%3A/32"),
        (("authorities", "a/../b?c"), "/v1/authorities/a%2F..%2Fb%3Fc"),
    ],
)
def test_parts_of_a_path_are_quoted(parts: tuple[str, ...], expected: str) -> None:
    assert path(*parts) == expected


@pytest.mark.parametrize(
    "text", ["http://127.0.0.1:8080", "https://dns.example.org/api/", "http://[::1]:8080", "unix:/a/b"]
)
def test_usable_url_loses_its_trailing_slash(text: str) -> None:
    assert parse_url(text) == text.rstrip("/")


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:8080",
        "ftp://127.0.0.1",
        "unix:api.sock",
        "http://",
        "http://127.0.0.1:8080/?token=x",
        "http://127.0.0.1:port",
        "http://[::1",
        "http://dns example.org",
        "http://u:hush@127.0.0.1",
        "http://hush@127.0.0.1",
        "",
    ],
)
def test_an_unusable_url_is_refused_and_its_password_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_url(text)
    assert "hush" not in str(caught.value)
