"""Which engine runs: the compiled one where it was built, unless the environment says otherwise.

Neither is imported by choosing: a supervisor chooses, and its workers run it.
"""

import ctypes
import os
from collections.abc import Mapping
from enum import StrEnum
from importlib.util import find_spec
from typing import TYPE_CHECKING, assert_never

from dnsfilter.errors import ConfigError, Problem, UnavailableError

if TYPE_CHECKING:
    from dnsfilter.engine._engine import CompiledEngine
    from dnsfilter.engine.reference.engine import ReferenceEngine

VARIABLE = "DNSFILTER_ENGINE"
"""The environment's variable that names a kind; a supervisor sets it for workers that are to fall back."""


class EngineKind(StrEnum):
    """The implementations of `Engine`. They answer alike."""

    COMPILED = "compiled"
    REFERENCE = "reference"


def chosen_kind(environ: Mapping[str, str] = os.environ) -> EngineKind:
    """The kind to run: what the environment names, else the compiled one where it can be loaded.

    Raises ConfigError for a word that is no kind, UnavailableError for a kind that cannot be loaded: what was asked for
    is not silently replaced.
    """
    word = environ.get(VARIABLE, "")
    if not word:
        return EngineKind.REFERENCE if why_not_compiled() else EngineKind.COMPILED
    try:
        kind = EngineKind(word)
    except ValueError:
        kinds = " or ".join(EngineKind)
        raise ConfigError((Problem(f"environment variable {VARIABLE}", f"must be {kinds}, not {word!r}"),)) from None
    if kind is EngineKind.COMPILED and (reason := why_not_compiled()) is not None:
        raise UnavailableError(reason)
    return kind


def engine_class(kind: EngineKind) -> "type[ReferenceEngine | CompiledEngine]":
    """The class of that kind; raises UnavailableError where it was not built or cannot be loaded."""
    match kind:
        case EngineKind.COMPILED:
            try:
                from dnsfilter.engine._engine import CompiledEngine
            except ImportError as error:
                raise UnavailableError(f"load the compiled engine: {error}") from error
            return CompiledEngine
        case EngineKind.REFERENCE:
            from dnsfilter.engine.reference.engine import ReferenceEngine

            return ReferenceEngine
        case _:
            assert_never(kind)


def why_not_compiled() -> str | None:
    """What keeps the compiled engine's library from being loaded; None where it can be. None of its code runs."""
    found = find_spec("dnsfilter.engine._engine")
    if found is None or found.origin is None:
        return "load the compiled engine: it was not built"
    try:
        ctypes.CDLL(found.origin)
    except OSError as error:
        return f"load the compiled engine: {error}"
    return None
