"""The hash of keys is SipHash-1-3. The included file is compiled alone, with a function that calls it."""

import subprocess
import sys
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any

import pytest

from tests.support.components import PROJECT

pytestmark = pytest.mark.heavy

pytest.importorskip("dnsfilter.engine._engine")

PRINT_HASHES = "print(*[hash(bytes(range(size))) % 2**64 for size in range(8, 64)])"
TOPICS = PROJECT / "dnsfilter/engine/compiled"
CALLED = f"""# cython: language_level=3
include "{TOPICS}/defs.pxi"
include "{TOPICS}/policy/siphash.pxi"

def hashed(bytes secret, uint64_t first, bytes data):
    cdef uint64_t[2] key
    memcpy(key, <const char*>secret, 16)
    return sip_hash(key, first, <const uint8_t*><const char*>data, len(data))
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    source = tmp_path_factory.mktemp("siphash") / "hashing.pyx"
    source.write_text(CALLED)
    subprocess.run([sys.executable, "-m", "Cython.Build.Cythonize", "-i", "-q", str(source)], check=True, timeout=300)
    (built,) = source.parent.glob("hashing*.so")
    spec = spec_from_file_location("hashing", built, loader=ExtensionFileLoader("hashing", str(built)))
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.mark.skipif(sys.hash_info.algorithm != "siphash13", reason="this Python hashes bytes otherwise")
def test_key_of_zeros_gives_the_hash_of_python_without_randomness(compiled: Any) -> None:
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
        data = bytes(range(size))
        hashes.append(compiled.hashed(bytes(16), int.from_bytes(data[:8], sys.byteorder), data[8:]))
    assert hashes == list(map(int, done.stdout.split()))


def test_every_byte_of_the_key_matters(compiled: Any) -> None:
    keys = [bytes(16), *(bytes(place) + b"\x01" + bytes(15 - place) for place in range(16))]
    assert len({compiled.hashed(key, 1, b"\x03www\x07example\x03org\0") for key in keys}) == len(keys)
