"""Choose the engine: the compiled one if it was built, unless the environment names another.

Choosing imports neither engine: a supervisor chooses, and its workers run the engine.
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
    from dnsfilter.snapshot.names_file import Filler

VARIABLE = "DNSFILTER_ENGINE"
"""The environment variable that names a kind. A supervisor sets it for workers that must fall back."""


class EngineKind(StrEnum):
    """The implementations of `Engine`. Both give the same answers."""

    COMPILED = "compiled"
    REFERENCE = "reference"


def chosen_kind(environ: Mapping[str, str] = os.environ) -> EngineKind:
    """Return the kind that the environment names, else the compiled one if it can be loaded.

    Raise ConfigError if the variable names no kind. Raise UnavailableError if the named kind cannot be loaded: it is
    not replaced silently.
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
    """Return the class of a kind. Raise UnavailableError if it was not built or cannot be loaded."""
    match kind:
        case EngineKind.COMPILED:
            try:
                from dnsfilter.engine._engine import CompiledEngine
            except ImportError as error:
                raise UnavailableError(f"cannot load the compiled engine: {error}") from error
            return CompiledEngine
        case EngineKind.REFERENCE:
            from dnsfilter.engine.reference.engine import ReferenceEngine

            return ReferenceEngine
        case _:
            assert_never(kind)


def slot_filler() -> "Filler":
    """Return the fastest function that fills the slots of a names file. All give equal files."""
    try:
        from dnsfilter.engine._engine import fill_slots
    except ImportError:
        from dnsfilter.snapshot.names_file import fill_slots
    return fill_slots


def why_not_compiled() -> str | None:
    """Return why the compiled engine's library cannot be loaded; None if it can. Do not run its code."""
    found = find_spec("dnsfilter.engine._engine")
    if found is None or found.origin is None:
        return "cannot load the compiled engine: it was not built"
    try:
        ctypes.CDLL(found.origin)
    except OSError as error:
        return f"cannot load the compiled engine: {error}"
    return None
