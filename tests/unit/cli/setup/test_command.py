"""What the command says at its end."""

import pytest

from dnsfilter.cli.setup.command import _print_result
from tests.unit.cli.setup.conftest import options


@pytest.mark.parametrize(
    ("typed", "adopt"),
    [((), "(dnsfilterctl ban adopt)"), (("--reply", "nodata"), "(dnsfilterctl ban adopt --reply nodata)")],
)
def test_the_last_line_names_the_chosen_reply(
    typed: tuple[str, ...], adopt: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _print_result(options(*typed), [], [], started=True, registered=True)
    assert adopt in capsys.readouterr().out.splitlines()[-1]
