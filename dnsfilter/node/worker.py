"""A process with an engine. It is given every descriptor it uses, and holds no privilege.

Started by the supervisor as `python -m dnsfilter.node.worker FD`, where FD is its end of the channel.
"""

import asyncio
import gc
import logging
import pickle
import signal
import socket
import sys
from collections.abc import Sequence

import uvloop

from dnsfilter.cache.answers import AnswerCache
from dnsfilter.config.model import Config
from dnsfilter.engine.choice import chosen_kind, engine_class
from dnsfilter.engine.clock import Anchor, SystemClock
from dnsfilter.engine.listening import UdpListener
from dnsfilter.errors import SnapshotError
from dnsfilter.node.channel import Alive, InForce, Policy, Rejected, Setup, Stop, receive, send
from dnsfilter.node.privileges import keep_only
from dnsfilter.node.sealed import map_sealed
from dnsfilter.resolver import Resolver
from dnsfilter.server.stream import StreamServer
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.telemetry import logs
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.metrics import Limit
from dnsfilter.telemetry.slots import LIMITED, TCP_CONNECTIONS
from dnsfilter.upstream.stream import StreamPool
from dnsfilter.upstream.zones import Zones

HEARTBEAT_S = 0.25
_LOG = logging.getLogger("dnsfilter.worker")


class Worker:
    """One engine on the running event loop, told what to do over `channel`."""

    def __init__(self, channel: socket.socket, setup: Setup, descriptors: Sequence[int]) -> None:
        config = _read_config(descriptors[0])
        descriptors = descriptors[1:]
        self._channel = channel
        self._site = config.control_plane.site
        self._clock = SystemClock()
        self._counters = CounterBlock.open(setup.counters)
        udp = [socket.socket(fileno=fd) for fd in descriptors[: setup.udp]]
        self._tcp = [socket.socket(fileno=fd) for fd in descriptors[setup.udp : setup.udp + setup.tcp]]
        snapshot = self._open(descriptors[setup.udp + setup.tcp :])
        self._adopt(snapshot, setup.since_ms)
        zones = Zones(config.upstream.servers, config.zones)
        self._engine = engine_class(chosen_kind())(
            listeners=[UdpListener(sock) for sock in udp],
            zones=zones,
            cache=AnswerCache(config.cache.max_bytes, config.cache.serve_stale_s),
            clients=config.clients,
            limits=config.limits,
            trust_ad=config.upstream.trust_ad,
            longest_wait_ms=config.upstream.timeout_ms,
            clock=self._clock,
            counters=self._counters,
            snapshot=snapshot,
            since_ms=setup.since_ms,
        )
        self._udp = udp
        self._resolver = Resolver(self._engine, zones.endpoints, StreamPool(), self._clock)
        self._streams = StreamServer(
            self._resolver,
            config.limits,
            lambda count: self._counters.set(TCP_CONNECTIONS, count),
            lambda: self._counters.add(LIMITED[Limit.CONNECTIONS]),
        )
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Serve until told to stop, or until the supervisor is gone."""
        loop = asyncio.get_running_loop()
        for sock in self._tcp:
            await self._streams.listen(sock)
        loop.add_signal_handler(signal.SIGTERM, self._stopped.set)
        # Ctrl-C in a terminal reaches the whole process group; the supervisor decides what it means.
        loop.add_signal_handler(signal.SIGINT, lambda: None)
        loop.add_reader(self._channel.fileno(), self._told)
        send(self._channel, InForce(self._revision))
        heartbeat = loop.create_task(self._beat())
        await self._stopped.wait()
        heartbeat.cancel()
        loop.remove_reader(self._channel.fileno())
        self._streams.close()
        await self._resolver.close()
        self._engine.close()
        for sock in self._udp:
            sock.close()

    def _told(self) -> None:
        received = receive(self._channel)
        match received:
            case None:
                self._stopped.set()
            case (Policy(revision, since_ms), descriptors):
                self._swap(revision, since_ms, descriptors)
            case (Stop(), _):
                self._stopped.set()
            case (message, _):
                raise ValueError(f"unexpected message from supervisor: {type(message).__name__}")

    def _swap(self, revision: int, since_ms: int, descriptors: Sequence[int]) -> None:
        try:
            snapshot = self._open(descriptors)
            self._engine.swap(snapshot, since_ms)
        except (SnapshotError, ValueError) as error:
            send(self._channel, Rejected(revision, str(error)))
            return
        self._adopt(snapshot, since_ms)
        send(self._channel, InForce(revision))

    def _open(self, descriptors: Sequence[int]) -> Snapshot:
        manifest, names, ranges, rules = [map_sealed(descriptor) for descriptor in descriptors]
        return Snapshot.open(bytes(manifest), names, ranges, rules, self._site)

    def _adopt(self, snapshot: Snapshot, since_ms: int) -> None:
        self._revision = snapshot.revision
        self._anchor = Anchor(snapshot.made_s, since_ms)

    async def _beat(self) -> None:
        while True:
            try:
                send(self._channel, Alive(self._anchor.doubts(self._clock.wall_s())))
            except BlockingIOError:
                logs.emit(_LOG, logging.WARNING, "supervisor does not read")
            except OSError:
                self._stopped.set()
                return
            await asyncio.sleep(HEARTBEAT_S)


def _read_config(descriptor: int) -> Config:
    with map_sealed(descriptor) as octets:
        config: Config = pickle.loads(octets)
    return config


def main() -> None:
    """Entry of the worker process."""
    logs.setup()
    channel = socket.socket(fileno=int(sys.argv[1]))
    received = receive(channel)
    match received:
        case (Setup() as setup, descriptors):
            keep_only()
            channel.setblocking(False)
            uvloop.run(_serve(channel, setup, descriptors))
        case _:
            sys.exit(1)


async def _serve(channel: socket.socket, setup: Setup, descriptors: Sequence[int]) -> None:
    worker = Worker(channel, setup, descriptors)
    gc.collect()
    gc.freeze()
    await worker.run()


if __name__ == "__main__":
    main()
