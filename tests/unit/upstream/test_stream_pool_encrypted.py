"""Asking over TLS, against a real server on loopback: who the server is, its sessions, and its failures."""

import asyncio
import contextlib
import datetime
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from dnsfilter.config.node_config import Tls
from dnsfilter.errors import UnavailableError
from dnsfilter.upstream import encryption_state, stream_connection
from dnsfilter.upstream.stream_pool import StreamPool
from dnsfilter.upstream.tls_channel import TlsError, pin_of
from tests.support.certificates import Authority
from tests.unit.upstream.streaming import LONG_S, Peer, answer_once, query, reply, serving

NAME = "dns.example.org"
BY_NAME = Tls(NAME)


class Identity:
    """A certificate authority, and contexts of servers with certificates by it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.authority = Authority(directory)
        self.ca = self.authority.ca.read_text()

    def context(
        self, name: str = NAME, lasting: datetime.timedelta = datetime.timedelta(days=2)
    ) -> tuple[ssl.SSLContext, str]:
        """Return the context of a server, and the pin of its key."""
        certificate, key = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        self.authority.issue(certificate, key, name=name, lasting=lasting)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        loaded = x509.load_pem_x509_certificate(certificate.read_bytes())
        return context, pin_of(loaded.public_bytes(Encoding.DER))


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity(tmp_path_factory.mktemp("identity"))


@pytest.fixture(autouse=True)
def _short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encryption_state, "FIRST_REST_S", 0.001)
    monkeypatch.setattr(encryption_state, "LONGEST_REST_S", 0.001)


async def test_many_questions_share_one_handshake(identity: Identity) -> None:
    async with serving(Peer.echo, context=identity.context()[0], tls=BY_NAME) as (server, endpoint):
        pool = StreamPool(ca=identity.ca)
        queries = [query(f"n{number}.example.org", number) for number in range(40)]
        answers = await asyncio.gather(*(pool.ask(endpoint, each, LONG_S, b"client") for each in queries))
        assert answers == [reply(each) for each in queries]
        assert server.accepted == 1
        pool.close()


async def test_a_pin_replaces_name_and_authority(identity: Identity) -> None:
    context, pin = identity.context("another.example")
    async with serving(Peer.echo, context=context, tls=Tls("", ("A" * 43 + "=", pin))) as (_, endpoint):
        pool = StreamPool(ca=None)
        assert await pool.ask(endpoint, query("example.org"), LONG_S) == reply(query("example.org"))
        pool.close()


WRONG: list[tuple[str, Tls, str, datetime.timedelta, bool, str]] = [
    ("another name", BY_NAME, "dns.example.net", datetime.timedelta(days=2), True, f"another name than {NAME}"),
    ("expired", BY_NAME, NAME, datetime.timedelta(hours=-1), True, "the certificate has expired"),
    ("unknown authority", BY_NAME, NAME, datetime.timedelta(days=2), False, "not by a known authority"),
    ("another key", Tls("", ("A" * 43 + "=",)), NAME, datetime.timedelta(days=2), True, "none of those in the conf"),
]


@pytest.mark.parametrize(("tls", "name", "lasting", "known", "fault"), [each[1:] for each in WRONG])
async def test_nothing_is_asked_of_a_wrong_server(
    identity: Identity, tls: Tls, name: str, lasting: datetime.timedelta, known: bool, fault: str
) -> None:
    read: list[bytes | None] = []

    async def note(peer: Peer) -> None:
        read.append(await peer.read())

    async with serving(note, context=identity.context(name, lasting)[0], tls=tls) as (_, endpoint):
        pool = StreamPool(ca=identity.ca if known else None)
        with pytest.raises(TlsError, match=fault):
            await pool.ask(endpoint, query("example.org"), LONG_S)
        assert pool.fails(endpoint)
        pool.close()
    assert set(read) <= {None}


async def test_session_is_resumed_after_the_connection_was_closed(identity: Identity) -> None:
    resumed: list[bool] = []

    async def note(peer: Peer) -> None:
        asked = await peer.read()
        resumed.append(peer.writer.get_extra_info("ssl_object").session_reused)
        if asked is not None:
            peer.send(reply(asked))

    async with serving(note, context=identity.context()[0], tls=BY_NAME) as (server, endpoint):
        pool = StreamPool(ca=identity.ca)
        for number in range(3):
            assert await pool.ask(endpoint, query("example.org"), LONG_S)
            async with server.changed:
                await server.changed.wait_for(lambda closed=number + 1: server.closed == closed)  # type: ignore[misc]
            while pool.connections(endpoint):
                await asyncio.sleep(0.001)
        pool.close()
    assert resumed == [False, True, True]


async def test_server_that_closes_after_each_answer_is_asked_on(identity: Identity) -> None:
    async with serving(answer_once, context=identity.context()[0], tls=BY_NAME) as (_, endpoint):
        pool = StreamPool(ca=identity.ca)
        queries = [query(f"n{number}.example.org", number) for number in range(4)]
        answers = await asyncio.gather(*(pool.ask(endpoint, each, LONG_S, b"client") for each in queries))
        assert answers == [reply(each) for each in queries]
        assert not pool.fails(endpoint)
        pool.close()


async def test_hanging_handshake_ends_the_question(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_connection, "CONNECT_S", 0.05)
    async with serving(Peer.swallow, tls=BY_NAME) as (_, endpoint):
        pool = StreamPool(ca=identity.ca)
        with pytest.raises(TlsError, match=r"not open within 0\.05 s"):
            await pool.ask(endpoint, query("example.org"), LONG_S)
        pool.close()


async def test_closed_handshake_is_a_failure_of_tls(identity: Identity) -> None:
    async def close(peer: Peer) -> None:
        await peer.reader.read(1)

    async with serving(close, tls=BY_NAME) as (_, endpoint):
        pool = StreamPool(ca=identity.ca)
        with pytest.raises(TlsError, match="closed during the TLS handshake"):
            await pool.ask(endpoint, query("example.org"), LONG_S)
        pool.close()


async def test_server_without_tls_is_named(identity: Identity) -> None:
    async def clear(peer: Peer) -> None:
        peer.writer.write(b"\0\x0c" + bytes(12))
        await peer.swallow()

    async with serving(clear, tls=BY_NAME) as (_, endpoint):
        pool = StreamPool(ca=identity.ca)
        with pytest.raises(TlsError, match="no TLS connection: "):
            await pool.ask(endpoint, query("example.org"), LONG_S)
        pool.close()


async def test_closed_port_is_no_failure_of_tls(identity: Identity) -> None:
    async with serving(Peer.echo, tls=BY_NAME) as (_, endpoint):
        pass
    pool = StreamPool(ca=identity.ca)
    with pytest.raises(UnavailableError) as raised:
        await pool.ask(endpoint, query("example.org"), LONG_S)
    assert not isinstance(raised.value, TlsError)
    pool.close()


async def test_questions_fail_at_once_while_a_server_rests(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    async def close(peer: Peer) -> None:
        await peer.reader.read(1)

    async with serving(close, tls=BY_NAME) as (server, endpoint):
        pool = StreamPool(ca=identity.ca)
        monkeypatch.setattr(encryption_state, "FIRST_REST_S", LONG_S)
        monkeypatch.setattr(encryption_state, "LONGEST_REST_S", LONG_S)
        for _ in range(3):
            with pytest.raises(TlsError, match="closed during"):
                await pool.ask(endpoint, query("example.org"), LONG_S)
        assert server.accepted == 1
        assert pool.rests(endpoint)
        assert not pool.rests(replace(endpoint, port=1))
        pool.close()


async def test_failures_are_logged_once_for_each_change(identity: Identity, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(Peer.echo, context=identity.context("dns.example.net")[0], tls=BY_NAME) as (_, endpoint):
        pool = StreamPool(ca=identity.ca)
        caplog.set_level("INFO")
        for _ in range(3):
            with pytest.raises(TlsError):
                await pool.ask(endpoint, query("example.org"), LONG_S)
            await asyncio.sleep(0.002)
        pool.close()
    assert len([record for record in caplog.records if "encrypted upstream fails" in record.getMessage()]) == 1


@pytest.mark.parametrize("garbage", [bytes(5), b"\x16\x03\x03\xff\xff" + bytes(70_000), b"\x15\x03\x03\0\x02\x02\x28"])
async def test_any_bytes_of_a_server_end_in_an_error(identity: Identity, garbage: bytes) -> None:
    async def script(peer: Peer) -> None:
        with contextlib.suppress(ConnectionError):
            peer.writer.write(garbage)
            await peer.writer.drain()

    async with serving(script, tls=BY_NAME) as (_, endpoint):
        pool = StreamPool(ca=identity.ca)
        with pytest.raises(UnavailableError):
            await pool.ask(endpoint, query("example.org"), LONG_S)
        pool.close()
