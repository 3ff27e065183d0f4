"""Options and output of `dnsfilterctl ban` for bans that are off."""

from collections.abc import Iterator

from api.bans.schemas import BanRead
from api.ctl.command import Body, Options, decision_body, given
from api.ctl.display.account_names import Accounts
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import table
from api.ctl.display.shown_names import Names
from api.ctl.exit_codes import WrongInput


def off_term(options: Options) -> Body:
    """Return how long `ban set` switches a ban off; empty if its options give a term instead. Raise WrongInput."""
    reach = given(options, "end", "until", "for_")
    more = {**decision_body(options), **given(options, "start", "review_by")}
    if options.mode is None or not reach or more or options.provisional or options.confirm:
        return {}
    if options.mode != "off":
        (option,) = reach
        ways = f"Leave out --{option.rstrip('_')}, or add a decision to give the ban a term"
        raise WrongInput(f"--mode {options.mode} does not take an end, only --mode off does. {ways}.")
    if "end" in reach:
        raise WrongInput("--mode off does not take --end. Give --until or --for; the present mode returns then.")
    return {key.rstrip("_"): value for key, value in reach.items()}


def off_end(ban: BanRead, zone: str | None) -> str:
    """Return until when a ban is off, and the mode that returns then."""
    return "set again" if ban.off_until is None else f"{at_words(ban.off_until, zone)}, then {ban.returns_to}"


def off_table(items: list[BanRead], names: Names, accounts: Accounts) -> Iterator[str]:
    """Return a table of bans that are off: since when, until when, by whom and why."""
    names.prepare({item.authority for item in items}, {item.service for item in items})
    accounts.prepare({item.mode_set_by for item in items})
    rows = []
    for item in items:
        zone = names.time_zone(item.authority)
        since = "" if item.mode_set is None else at_words(item.mode_set, zone)
        by = "" if item.mode_set_by is None else accounts.words(item.mode_set_by)
        subject = (item.authority, names.authority(item.authority), item.service, names.service(item.service))
        rows.append((*subject, since, off_end(item, zone), by, item.mode_reason))
    yield from table(("authority", "name", "service", "name", "off since", "until", "by", "reason"), rows, ("name",))
