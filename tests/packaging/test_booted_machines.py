"""Several booted machines at once, as the nodes of an office. `make slow` runs this."""

import pytest

from tests.support.booted_machine import BootedMachine, ensure_debian

pytestmark = pytest.mark.slow


def test_the_end_of_a_unit_leaves_the_unit_of_that_name_on_another_machine() -> None:
    ensure_debian()
    with BootedMachine() as one, BootedMachine() as other:
        for machine in (one, other):
            machine.sh("systemd-run --unit=resolver sleep infinity")
        one.sh("systemctl kill --signal=KILL resolver")
        assert other.attempt("systemctl is-active resolver").stdout.strip() == "active"
