"""Count the clients of a node for a limited time, in memory only: datagrams to its ports, by source address.

The kernel gives a copy of the headers that the machine receives (packet(7)). Nothing is written, and nothing stays.
"""

import socket
import time
from collections import Counter
from collections.abc import Collection
from struct import Struct

_EVERY_PROTOCOL = 0x0003
_IPV4, _IPV6 = 0x0800, 0x86DD
_UDP = 17
_HEADERS_BYTES = 128
_PORT = Struct("!H")
_FRAGMENT = 0x1FFF
MOST_CLIENTS = 65_536
"""Further addresses are not counted: a flood of forged ones must not fill the memory."""
MOST_DATAGRAMS = 5_000_000


def count_clients(ports: Collection[int], for_s: float) -> Counter[bytes]:
    """Return how many queries each packed address has sent to these UDP ports. Raise OSError without CAP_NET_RAW."""
    counts: Counter[bytes] = Counter()
    deadline = time.monotonic() + for_s
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_EVERY_PROTOCOL)) as received:
        for _ in range(MOST_DATAGRAMS):
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            received.settimeout(left_s)
            try:
                header, (_, protocol, direction, *_) = received.recvfrom(_HEADERS_BYTES)
            except TimeoutError:
                break
            client = None if direction == socket.PACKET_OUTGOING else client_of(header, protocol, ports)
            if client is not None and (client in counts or len(counts) < MOST_CLIENTS):
                counts[client] += 1
    return counts


def client_of(header: bytes, protocol: int, ports: Collection[int]) -> bytes | None:
    """Return the packed source of a datagram to one of these ports. None for every other packet."""
    if protocol == _IPV4 and len(header) >= 20:
        start = 4 * (header[0] & 15)
        is_first = not _PORT.unpack_from(header, 6)[0] & _FRAGMENT
        source, is_udp = header[12:16], header[9] == _UDP and is_first
    elif protocol == _IPV6 and len(header) >= 40:
        start, source, is_udp = 40, header[8:24], header[6] == _UDP
    else:
        return None
    if not is_udp or len(header) < start + 4 or _PORT.unpack_from(header, start + 2)[0] not in ports:
        return None
    return source
