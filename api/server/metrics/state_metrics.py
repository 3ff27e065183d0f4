"""Metrics of the process, and of what the installation keeps outside the database: disk, last backup, certificate."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from api.server.metrics import metric_table as table
from api.server.metrics.families import single
from dnsfilter.telemetry.metrics import PROCESS_START
from dnsfilter.telemetry.process_times import process_start_s


class Expiring(Protocol):
    """The certificate in use, as metrics read it."""

    @property
    def expires_s(self) -> int | None: ...


class StateCollector(Collector):
    """The disk of the state directory, and the age of the last backup. `backup_age_s` returns None if there is none."""

    def __init__(self, state_dir: Path, backup_age_s: Callable[[], int | None]) -> None:
        self._state_dir = state_dir
        self._backup_age_s = backup_age_s

    def collect(self) -> Iterator[Metric]:
        """Yield three families. Those of the disk are left out while it cannot be read."""
        yield single(table.BACKUP_AGE, self._backup_age_s())
        try:
            found = os.statvfs(self._state_dir)
        except OSError:
            return
        yield single(table.DISK_FREE, found.f_bavail * found.f_frsize)
        yield single(table.DISK_SIZE, found.f_blocks * found.f_frsize)


class ProcessCollector(Collector):
    """The start of this process, read when scraped."""

    def collect(self) -> Iterator[Metric]:
        """Yield one family with one value, which is left out if the kernel does not give it."""
        yield single(PROCESS_START, process_start_s())


class CertificateCollector(Collector):
    """The certificate in use, read when scraped."""

    def __init__(self, certificate: Expiring) -> None:
        self._certificate = certificate

    def collect(self) -> Iterator[Metric]:
        """Yield one family with one value."""
        yield single(table.CERTIFICATE_EXPIRY, self._certificate.expires_s)
