"""Snapshot files in sealed memory."""

import os

import pytest

from dnsfilter.errors import SnapshotError
from dnsfilter.worker.sealed import map_sealed, seal


def test_sealed_content_is_read_back_and_immutable() -> None:
    content = bytes(range(256)) * 5000
    descriptor = seal("test", content)
    for change in (lambda: os.write(descriptor, b"x"), lambda: os.ftruncate(descriptor, 1)):
        with pytest.raises(PermissionError):
            change()
    with map_sealed(descriptor) as mapped:
        assert mapped[:] == content


def test_memory_that_is_not_sealed_is_refused() -> None:
    descriptor = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.write(descriptor, b"content")
    with pytest.raises(SnapshotError, match="not sealed"):
        map_sealed(descriptor)


def test_regular_file_is_refused_and_closed() -> None:
    read_end, write_end = os.pipe()
    with pytest.raises(SnapshotError, match="map snapshot file"):
        map_sealed(read_end)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(read_end)
    os.close(write_end)
