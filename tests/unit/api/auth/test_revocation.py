"""Revoking a token revokes all tokens made with it, for each kind of act."""

import pytest

from api.auth.tokens import load_key, replace_token
from tests.unit.api.conftest import START, Plane, on_both_databases


def _token(plane: Plane, account: int, token: str | None = None) -> str:
    body = {"label": "x", "for": "30 days"}
    return str(plane.done("POST", f"/v1/accounts/{account}/tokens", body, token=token)["token"])


def _statuses(plane: Plane, *tokens: str) -> list[int]:
    return [plane.call("GET", "/v1/self", token=token).status_code for token in tokens]


def _revoked(plane: Plane, token: str | None = None) -> set[str]:
    return {entry["object"] for entry in plane.done("GET", "/v1/audit?act=token.revoke", token=token)["items"]}


def _name(plane: Plane, token: str) -> str:
    return f"token/{plane.done('GET', '/v1/self', token=token)['token']['number']}"


@on_both_databases
def test_disabling_an_account_revokes_tokens_made_with_its_tokens_for_others(plane: Plane) -> None:
    admin, first = plane.account("admin", ("administrator", None))
    other, spared = plane.account("other", ("administrator", None))
    own = _token(plane, admin, first)
    given = _token(plane, other, own)
    passed = _token(plane, other, given)
    back = _token(plane, admin, passed)
    names = {_name(plane, token) for token in (given, passed, back)}
    plane.done("POST", f"/v1/accounts/{admin}/disable", token=spared)
    assert _statuses(plane, first, own, given, passed, back, spared) == [401, 401, 401, 401, 401, 200]
    assert _revoked(plane) == names
    plane.done("POST", f"/v1/accounts/{admin}/enable", token=spared)
    assert _statuses(plane, first, own, given, passed, back) == [200, 200, 401, 401, 401]


@on_both_databases
def test_erasing_an_account_revokes_its_tokens_and_those_made_with_them(plane: Plane) -> None:
    admin, first = plane.account("admin", ("administrator", None))
    other, spared = plane.account("other")
    given = _token(plane, other, _token(plane, admin, first))
    plane.done("DELETE", f"/v1/accounts/{admin}/name")
    assert _statuses(plane, first, given, spared) == [401, 401, 200]
    assert len(_revoked(plane)) == 3


@on_both_databases
@pytest.mark.parametrize("keep", [False, True])
def test_a_new_token_of_the_installation_revokes_descendants_of_the_old_one_unless_kept(
    plane: Plane, *, keep: bool
) -> None:
    admin, first = plane.account("admin", ("administrator", None))
    desk = _token(plane, plane.account("desk")[0], _token(plane, admin, first))
    independent = plane.other()
    key, path = load_key(plane.settings.token_key_path), plane.settings.token_path
    revoked = replace_token(plane.database, key, path, START, keep=keep)
    fresh = path.read_text().strip()
    status = 200 if keep else 401
    assert _statuses(plane, plane.token, first, desk, independent, fresh) == [status, status, status, 200, 200]
    # The installation's own, and two of each account except the independent one.
    assert (revoked.tokens, revoked.accounts) == ((0, 0) if keep else (5, 3))
    assert len(_revoked(plane, fresh)) == revoked.tokens


@on_both_databases
def test_expired_tokens_are_revoked_but_not_counted(plane: Plane) -> None:
    number, desk = plane.account("desk")
    _token(plane, number)
    for label in ("a", "b"):
        plane.done("POST", f"/v1/accounts/{number}/tokens", {"label": label, "for": "1 day"})
    key, path = load_key(plane.settings.token_key_path), plane.settings.token_path
    revoked = replace_token(plane.database, key, path, START + 5 * 86_400)
    assert str(revoked) == "3 tokens of 2 accounts", "the installation's own and two of the desk's"
    assert len(_revoked(plane, path.read_text().strip())) == 5
    assert _statuses(plane, desk) == [401]


@on_both_databases
def test_keep_does_not_restore_tokens_of_a_disabled_account(plane: Plane) -> None:
    spared = plane.other()
    plane.done("POST", "/v1/accounts/1/disable", token=spared)
    key, path = load_key(plane.settings.token_key_path), plane.settings.token_path
    assert replace_token(plane.database, key, path, START, keep=True).tokens == 1
    assert _statuses(plane, plane.token, spared, path.read_text().strip()) == [401, 200, 200]
    acts = [entry["act"] for entry in plane.done("GET", "/v1/audit?limit=4", token=spared)["items"]]
    assert acts == ["token.make", "account.enable", "token.revoke", "account.disable"]


def test_a_token_whose_maker_was_revoked_earlier_is_revoked_by_the_next_new_token(plane: Plane) -> None:
    _, survivor = plane.account("desk")
    key, path = load_key(plane.settings.token_key_path), plane.settings.token_path
    with plane.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE tokens SET revoked_s = 1 WHERE id = 1")
    assert _statuses(plane, survivor) == [200]
    assert str(replace_token(plane.database, key, path, START)) == "1 token of 1 account"
    assert _statuses(plane, survivor) == [401]
