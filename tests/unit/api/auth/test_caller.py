"""A refusal names the required role, and where it must be held."""

from collections.abc import Callable

import pytest

from api.application import routes
from api.auth.caller import Caller
from api.auth.permit import Permit
from api.db.unit_of_work import LOCAL
from api.errors import Forbidden

RULES = {route.operation_id: route.rule for route in routes()}
NOBODY = Caller(LOCAL, frozenset())
READERS = "approver or operator or reader"


@pytest.mark.parametrize(
    ("operation", "asked", "needed"),
    [
        ("renew_ban", lambda permit: permit.enter({"slug": "ghent"}), "operator of ghent"),
        ("get_onboarding", lambda permit: permit.enter({"slug": "ghent"}), f"{READERS} of ghent, or auditor {{here}}"),
        ("list_ranges", lambda permit: permit.enter({}), f"{READERS} of an authority, or auditor {{here}}"),
        ("start_suspension", lambda permit: permit.enter({}), "approver or operator of an authority"),
        ("start_suspension", lambda permit: permit.demand_named("ghent"), "approver or operator of ghent"),
        (
            "get_exemption",
            lambda permit: permit.demand("ghent", "diest"),
            f"{READERS} of the authority concerned, or administrator or auditor {{here}}",
        ),
        (
            "create_binding",
            lambda permit: permit.demand(None),
            "operator of the authority concerned, or administrator {here}",
        ),
        ("list_nodes", lambda permit: permit.enter({}), "auditor {here}"),
        ("apply_policy", lambda permit: permit.enter({}), "administrator {here}"),
        ("make_token", lambda permit: permit.enter({"account": "7"}), "administrator {here}"),
    ],
)
def test_a_refusal_names_the_role_and_where_it_must_be_held(
    operation: str, asked: Callable[[Permit], None], needed: str
) -> None:
    with pytest.raises(Forbidden) as caught:
        asked(Permit(NOBODY, RULES[operation]))
    assert str(caught.value) == f"this needs the role {needed.format(here='in this installation')}"
