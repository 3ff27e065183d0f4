"""The choice of the engine."""

import sys

import pytest

from dnsfilter.engine.choice import VARIABLE, EngineKind, chosen_kind, engine_class, why_not_compiled
from dnsfilter.engine.reference.engine import ReferenceEngine
from dnsfilter.errors import ConfigError, UnavailableError
from tests.support.engines import KINDS

EXTENSION = "dnsfilter.engine._engine"


@pytest.fixture
def not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the import of the extension fail, as if it was not built."""
    monkeypatch.setitem(sys.modules, EXTENSION, None)


@pytest.mark.parametrize("kind", KINDS)
def test_the_environment_decides(kind: str) -> None:
    assert chosen_kind({VARIABLE: kind}) == kind


@pytest.mark.parametrize("environ", [{}, {VARIABLE: ""}])
def test_compiled_engine_is_the_default_if_it_was_built(environ: dict[str, str]) -> None:
    assert chosen_kind(environ) == KINDS[-1]


@pytest.mark.usefixtures("not_built")
def test_reference_engine_is_the_default_if_none_was_built() -> None:
    assert chosen_kind({}) is EngineKind.REFERENCE
    assert (why_not_compiled() or "").startswith("cannot load the compiled engine: ")


@pytest.mark.usefixtures("not_built")
def test_missing_compiled_engine_is_an_error_if_requested() -> None:
    with pytest.raises(UnavailableError, match="cannot load the compiled engine"):
        chosen_kind({VARIABLE: "compiled"})


def test_unknown_engine_name_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError) as caught:
        chosen_kind({VARIABLE: "fast"})
    assert [str(problem) for problem in caught.value.problems] == [
        "environment variable DNSFILTER_ENGINE: must be compiled or reference, not 'fast'"
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_its_own_class(kind: str) -> None:
    found = engine_class(EngineKind(kind))
    assert (found is ReferenceEngine) == (kind == "reference")
    assert not issubclass(found, ReferenceEngine) or kind == "reference"
