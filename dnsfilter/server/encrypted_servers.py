"""The servers of a worker for encrypted transports."""

from collections.abc import Callable, Mapping
from functools import partial

from dnsfilter.config.node_config import Config
from dnsfilter.engine.interface import Engine, StreamListening
from dnsfilter.resolver import Resolver
from dnsfilter.server.client_names import ClientNames
from dnsfilter.server.https import HttpsServer
from dnsfilter.server.tls import Contexts, ignore_undecodable_names
from dnsfilter.server.tls_stream import TlsStreamServer
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.telemetry.slots import ENCRYPTED_CONNECTIONS


def encrypted_servers(
    config: Config,
    engine: Engine,
    resolver: Resolver,
    counters: CounterBlock,
    turned_away: Callable[[], None],
    contexts: Contexts,
    names: ClientNames,
) -> Mapping[Transport, StreamListening]:
    """Return the server of each encrypted transport that has listeners. An engine may serve DNS over TLS itself."""
    listeners = {
        Transport.DOT: (TlsStreamServer, config.encrypted.dot_listen),
        Transport.DOH: (HttpsServer, config.encrypted.doh_listen),
    }
    if config.encrypted.endpoints:
        ignore_undecodable_names()
    in_loop = engine.serve_tls(lambda: contexts.session("dot")) if config.encrypted.dot_listen else None
    own = {} if in_loop is None else {Transport.DOT: in_loop}
    return own | {
        transport: server(
            resolver,
            config.clients,
            config.limits,
            partial(counters.set, ENCRYPTED_CONNECTIONS[transport]),
            turned_away,
            contexts,
            names,
        )
        for transport, (server, endpoints) in listeners.items()
        if endpoints and transport not in own
    }
