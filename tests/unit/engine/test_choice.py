"""Which engine runs."""

import sys

import pytest

from dnsfilter.engine.choice import VARIABLE, EngineKind, chosen_kind, engine_class, why_not_compiled
from dnsfilter.engine.reference.engine import ReferenceEngine
from dnsfilter.errors import ConfigError, UnavailableError
from tests.support.engines import KINDS

EXTENSION = "dnsfilter.engine._engine"


@pytest.fixture
def not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is where no extension was built: importing it fails."""
    monkeypatch.setitem(sys.modules, EXTENSION, None)


@pytest.mark.parametrize("kind", KINDS)
def test_the_environment_decides(kind: str) -> None:
    assert chosen_kind({VARIABLE: kind}) == kind


@pytest.mark.parametrize("environ", [{}, {VARIABLE: ""}])
def test_without_a_word_the_compiled_engine_runs_where_it_was_built(environ: dict[str, str]) -> None:
    assert chosen_kind(environ) == KINDS[-1]


@pytest.mark.usefixtures("not_built")
def test_where_none_was_built_the_reference_runs_and_the_reason_can_be_told() -> None:
    assert chosen_kind({}) is EngineKind.REFERENCE
    assert (why_not_compiled() or "").startswith("cannot load the compiled engine: ")


@pytest.mark.usefixtures("not_built")
def test_a_compiled_engine_that_was_asked_for_is_not_replaced() -> None:
    with pytest.raises(UnavailableError, match="cannot load the compiled engine"):
        chosen_kind({VARIABLE: "compiled"})


def test_another_word_is_a_problem_of_the_environment() -> None:
    with pytest.raises(ConfigError) as caught:
        chosen_kind({VARIABLE: "fast"})
    assert [str(problem) for problem in caught.value.problems] == [
        "environment variable DNSFILTER_ENGINE: must be compiled or reference, not 'fast'"
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_has_a_class_of_its_own(kind: str) -> None:
    found = engine_class(EngineKind(kind))
    assert (found is ReferenceEngine) == (kind == "reference")
    assert not issubclass(found, ReferenceEngine) or kind == "reference"
