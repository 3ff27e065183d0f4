"""The names file's hash table, filled in C: byte for byte as in Python."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dnsfilter.errors import PolicyError
from dnsfilter.policy.model import Service, Tier
from dnsfilter.snapshot import names_file
from dnsfilter.snapshot.names_file import compile_names
from tests.bench.large import make_service
from tests.support.read_names import NAMES

fill_slots = pytest.importorskip("dnsfilter.engine._engine").fill_slots
LONGEST = b"".join(bytes([size]) + b"a" * size for size in (63, 63, 63, 61)) + b"\0"


@given(
    domains=st.frozensets(NAMES, max_size=40),
    hosts=st.frozensets(NAMES, max_size=40),
    key=st.binary(min_size=16, max_size=16),
)
@example(domains=frozenset({LONGEST, b"\x01a" * 127 + b"\0"}), hosts=frozenset({LONGEST}), key=b"\xff" * 16)
@example(domains=frozenset(), hosts=frozenset(), key=bytes(16))
def test_both_make_the_same_file(domains: frozenset[bytes], hosts: frozenset[bytes], key: bytes) -> None:
    service = Service("one", "One", (Tier(1, domains, hosts), Tier(2, hosts, domains)))
    assert compile_names((service,), key, fill_slots) == compile_names((service,), key)


def test_both_make_the_same_large_file() -> None:
    service = make_service(20_000)
    assert compile_names((service,), fill=fill_slots) == compile_names((service,))


@pytest.mark.parametrize(
    "name", [b"", b"\0", b"\x03www", b"\x03wWw\0", b"\x09www\0", b"\x01a\0\0", b"\x40" + b"a" * 64 + b"\0"]
)
@pytest.mark.parametrize("fill", [fill_slots, names_file.fill_slots])
def test_both_name_the_first_name_that_is_none(name: bytes, fill: names_file.Filler) -> None:
    service = Service("broken", "Broken", (Tier(1, frozenset({name, b"\x01a\0"})),))
    with pytest.raises(PolicyError) as caught:
        compile_names((service,), fill=fill)
    assert repr(name) in str(caught.value)
