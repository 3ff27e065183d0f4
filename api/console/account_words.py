"""The names of accounts, as far as the caller may read them."""

from collections.abc import Collection, Mapping

from api.accounts.schemas import AccountRead
from api.console.frame.calls import Refused
from api.console.frame.visit import Visit
from api.http.parameters import MAX_LIMIT
from api.http.schemas import Page


async def account_words(visit: Visit, numbers: Collection[int | None]) -> Mapping[int, str]:
    """Return a phrase for each account: its name, or its number if the caller may not read it."""
    wanted = sorted(number for number in numbers if number is not None)
    if not wanted:
        return {}
    try:
        query = {"numbers": ",".join(map(str, wanted[:MAX_LIMIT])), "limit": MAX_LIMIT}
        found = (await visit.read(Page[AccountRead], "list_accounts", query=query)).items
    except Refused:
        found = []
    names = {0: visit.words.translate("the installation"), **{each.number: each.name or each.login for each in found}}
    return {number: names.get(number) or visit.words.translate("account {number}", number=number) for number in wanted}
