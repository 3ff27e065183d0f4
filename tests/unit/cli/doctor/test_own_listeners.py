"""The node's own encrypted listeners: answers over TLS and HTTPS, doubtful certificates, and those that stay silent."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest

from dnsfilter.cli.doctor.own_listeners import ListenerAnswer, ask_listener
from dnsfilter.config.node_config import Clients, Endpoint, Unregistered
from dnsfilter.engine.slow_path.local import HEALTH_NAME
from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.iana import Rcode, Type
from tests.support.served_https import serving_https
from tests.support.served_streams import REGISTERED
from tests.support.served_tls import NAME, serving_tls

BEHIND_PROXY = Clients(Unregistered.REFUSE, trusted_proxies=(ip_network("127.0.0.1"),))
SERVING: dict[Transport, Callable[..., AbstractAsyncContextManager[Any]]] = {
    Transport.DOT: serving_tls,
    Transport.DOH: serving_https,
}


def asked(port: int, transport: Transport, clients: Clients = REGISTERED, within_s: float = 20.0) -> ListenerAnswer:
    endpoint = Endpoint(ip_address("127.0.0.1"), port)
    return ask_listener(endpoint, NAME, HEALTH_NAME, Type.TXT, transport, clients=clients, within_s=within_s)


def serving(transport: Transport, directory: Path, **more: Any) -> AbstractAsyncContextManager[Any]:
    return SERVING[transport]("reference", directory, **more)


def port_of(served: Any) -> int:
    tls = getattr(served, "tls", served)
    return int(tls.streams.address[1])


@pytest.mark.parametrize("transport", SERVING)
async def test_a_listener_answers_and_its_certificate_is_trusted_where_its_authority_is(
    transport: Transport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(transport, tmp_path) as served:
        found = await asyncio.to_thread(asked, port_of(served), transport)
        assert found.answer.rcode == Rcode.REFUSED
        assert found.doubt == "unable to get local issuer certificate"
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority/ca.pem"))
        assert (await asyncio.to_thread(asked, port_of(served), transport)).doubt == ""


async def test_a_listener_that_takes_this_machine_for_a_proxy_gets_its_header(tmp_path: Path) -> None:
    async with serving(Transport.DOT, tmp_path, clients=BEHIND_PROXY) as served:
        found = await asyncio.to_thread(asked, port_of(served), Transport.DOT, BEHIND_PROXY)
        assert found.answer.rcode == Rcode.REFUSED


async def test_a_listener_without_a_certificate_gives_no_answer(tmp_path: Path) -> None:
    async with serving(Transport.DOT, tmp_path, with_certificate=False) as served:
        with pytest.raises(UnavailableError, match="over TLS: "):
            await asyncio.to_thread(asked, port_of(served), Transport.DOT)


def test_an_address_without_a_listener_is_reported() -> None:
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        with pytest.raises(UnavailableError, match="over HTTPS: connection refused"):
            asked(unheard.getsockname()[1], Transport.DOH)


def test_a_silent_listener_is_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(UnavailableError, match=r"no answer within 0\.1 s"):
            asked(port, Transport.DOT, within_s=0.1)
