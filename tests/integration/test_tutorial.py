"""The tutorial, typed as printed, on a machine that is installed from a checkout. tests/packaging types it too."""

import pytest

from tests.support.installed_machine import Installed
from tests.support.tutorial import HERE, follow, servers

pytestmark = pytest.mark.slow


def test_the_tutorial_leads_to_a_refusal_that_a_second_machine_sees() -> None:
    with Installed() as machine:
        machine.space.add_address(f"{HERE}/32")
        machine.install()
        with servers(machine.space):
            follow(machine.sh)
