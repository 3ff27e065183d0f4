"""Tables that one test goes through, for rows that differ only in data. A test for each row costs more than the row."""

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from inspect import signature
from typing import Any, TypeAlias

import pytest

Test: TypeAlias = Callable[..., None]
Label: TypeAlias = Callable[[Any], object]
Row: TypeAlias = tuple[str, dict[str, Any]]


def each_row(
    names: str | Sequence[str], values: Iterable[Any], *, ids: Label | Iterable[object] | None = None
) -> Callable[[Test], Test]:
    """Check every row in one test.

    The arguments are those of `pytest.mark.parametrize`, and several tables multiply too. A row starts without the
    engines of the previous row. All failing rows are reported, each with its label.
    """
    fields = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    table = _table(fields, list(values), ids)

    def decorate(test: Test) -> Test:
        inner: list[Row] = getattr(test, "rows", [("", {})])
        check = getattr(test, "of_one_row", test)
        rows = [(f"{label}-{more}".strip("-"), {**row, **rest}) for more, rest in inner for label, row in table]
        wrapper = _going_through(rows, check)
        marks = vars(test).get("pytestmark", [])
        vars(wrapper).update(rows=rows, of_one_row=check, pytestmark=marks)
        return wrapper

    return decorate


def _going_through(rows: list[Row], check: Test) -> Test:
    own = signature(check)

    @wraps(check)
    def every_row(**fixtures: Any) -> None:
        failures: list[tuple[str, BaseException]] = []
        for label, row in rows:
            try:
                check(**fixtures, **row)
            except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - raised with the others
                error.add_note(f"in the row {label}")
                failures.append((label, error))
            finally:
                if "start" in fixtures:
                    fixtures["start"].close()
        if failures:
            labels = "; ".join(label for label, _ in failures)
            errors = [error for _, error in failures]
            raise BaseExceptionGroup(f"{len(failures)} of {len(rows)} rows fail: {labels}", errors)

    left = [parameter for name, parameter in own.parameters.items() if name not in rows[0][1]]
    vars(every_row)["__signature__"] = own.replace(parameters=left)
    return every_row


def _table(fields: list[str], values: list[Any], ids: Label | Iterable[object] | None) -> list[Row]:
    if not values:
        raise ValueError(f"no rows for {', '.join(fields)}")
    tuples = [(value,) if len(fields) == 1 else tuple(value) for value in values]
    if ids is None or callable(ids):
        say = ids or (lambda value: repr(value)[:60])
        labels = ["-".join(str(say(value)) for value in row) for row in tuples]
    else:
        labels = [str(label) for label in ids]
    return [(label, dict(zip(fields, row, strict=True))) for label, row in zip(labels, tuples, strict=True)]
