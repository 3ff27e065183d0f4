"""Messages and descriptors between supervisor and worker."""

import os
from pathlib import Path

from dnsfilter.engine.strangers import PLACES, Noted
from dnsfilter.node import channel
from dnsfilter.node.channel import Alive, InForce, Policy, Strangers


def test_messages_arrive_whole_in_order_with_their_descriptors(tmp_path: Path) -> None:
    ours, theirs = channel.pair()
    file = tmp_path / "file"
    file.write_text("content")
    with ours, theirs, file.open() as opened:
        channel.send(ours, Policy(7, 1_000), [opened.fileno()])
        channel.send(ours, Alive(clock_doubted=True))
        received = channel.receive(theirs)
        assert received is not None
        message, (descriptor,) = received
        assert message == Policy(7, 1_000)
        assert os.read(descriptor, 100) == b"content"
        os.close(descriptor)
        assert channel.receive(theirs) == (Alive(clock_doubted=True), [])


def test_the_descriptors_of_many_listening_addresses_all_arrive() -> None:
    ours, theirs = channel.pair()
    with ours, theirs, open(os.devnull) as opened:
        channel.send(ours, Policy(1, 1_000), [opened.fileno()] * (1 + 2 * 64 + 4))
        received = channel.receive(theirs)
        assert received is not None
        assert len(received[1]) == 133
        for descriptor in received[1]:
            os.close(descriptor)


def test_a_table_full_of_strangers_is_one_packet() -> None:
    ours, theirs = channel.pair()
    noted = [Noted(number.to_bytes(6), 2**40 + number, 2**30 + number, 2**31 + number) for number in range(PLACES)]
    with ours, theirs:
        channel.send(ours, Strangers(noted))
        assert channel.receive(theirs) == (Strangers(noted), [])


def test_an_end_that_is_gone_reads_as_none() -> None:
    ours, theirs = channel.pair()
    with theirs:
        channel.send(ours, InForce(1))
        ours.close()
        assert channel.receive(theirs) == (InForce(1), [])
        assert channel.receive(theirs) is None
