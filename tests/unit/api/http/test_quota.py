"""Concurrent work is limited for each caller and for all. A slot is given back even after a failure."""

from contextlib import ExitStack

import pytest

from api.errors import Overloaded, TooManyAtOnce
from api.http.quota import Quota


def test_one_caller_and_all_callers_have_limits() -> None:
    quota = Quota("downloads", 3, 2)
    with ExitStack() as stack:
        stack.enter_context(quota.held(1))
        stack.enter_context(quota.held(1))
        with pytest.raises(TooManyAtOnce, match="you already have 2 downloads"), quota.held(1):
            pass
        stack.enter_context(quota.held(2))
        with pytest.raises(Overloaded, match="there are already 3 downloads"), quota.held(3):
            pass
    with quota.held(3):
        pass


def test_a_slot_is_given_back_after_a_failure() -> None:
    quota = Quota("downloads", 1, 1)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="broken"), quota.held(1):
            raise RuntimeError("broken")
