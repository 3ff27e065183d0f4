"""The start of a process is the one that the kernel counts from."""

import subprocess
import sys
import time

from dnsfilter.telemetry.process_times import process_start_s

SHOW = "from dnsfilter.telemetry.process_times import process_start_s; print(process_start_s())"


def test_process_started_between_the_call_and_its_first_line() -> None:
    def uptime_s() -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    begun_s = uptime_s()
    started_s = float(subprocess.run([sys.executable, "-c", SHOW], check=True, capture_output=True, text=True).stdout)
    ended_s = uptime_s()
    # The kernel rounds the time of the boot to seconds, and the start to ticks.
    boot_s = time.time() - uptime_s()
    assert begun_s - 2 <= started_s - boot_s <= ended_s + 2


def test_start_does_not_move() -> None:
    assert process_start_s() == process_start_s()
