"""The hash of keys is the one that it says it is."""

import subprocess
import sys

import pytest

compiled = pytest.importorskip("dnsfilter.engine._engine")

PRINT_HASHES = "print(*[hash(bytes(range(size))) % 2**64 for size in range(8, 64)])"


@pytest.mark.skipif(sys.hash_info.algorithm != "siphash13", reason="this Python hashes octets otherwise")
def test_under_a_key_of_zeros_it_is_what_python_gives_without_randomness() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRINT_HASHES],
        env={"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    hashes = []
    for size in range(8, 64):
        octets = bytes(range(size))
        hashes.append(compiled.sip_hashed(bytes(16), int.from_bytes(octets[:8], sys.byteorder), octets[8:]))
    assert hashes == list(map(int, done.stdout.split()))


def test_every_octet_of_the_key_matters() -> None:
    keys = [bytes(16), *(bytes(place) + b"\x01" + bytes(15 - place) for place in range(16))]
    assert len({compiled.sip_hashed(key, 1, b"\x03www\x07example\x03org\0") for key in keys}) == len(keys)
