"""The scope and the reply of a ban, and whom a time without effect concerned, in one language. Pure."""

from collections.abc import Iterable, Sequence

from api.report.pages.content import Facts, Table
from api.report.pages.words import Words
from api.report.schemas import BanGapRead, BanReportRead


def scope_facts(words: Words, ban: BanReportRead) -> Facts:
    """Return the scope and the reply."""
    fields: dict[str, Iterable[str | int]] = {
        "reply": [ban.reply],
        "addresses": ban.addresses,
        "tiers": ban.tiers,
        "funding": ban.funding,
        "audience": ban.audience,
    }
    facts = [(_field_name(words, field), _field_value(words, field, values)) for field, values in fields.items()]
    return Facts([(name, value) for name, value in facts if value], words.text("Scope"))


def scope_changes(words: Words, ban: BanReportRead) -> Table:
    """Return the changes of scope and reply, each with before and after."""
    _ = words.text
    columns = [_("Date"), _("Changed"), _("Before"), _("After")]
    rows = [
        [
            words.at(change.time),
            _field_name(words, one.name),
            _field_value(words, one.name, one.before),
            _field_value(words, one.name, one.after),
            change.reason,
            str(change.act),
            words.account(change.account),
        ]
        for change in ban.scope_changes
        for one in change.fields
    ]
    columns += [_("Reason"), _("Entry"), _("Account")]
    return Table(_("Changes of scope and reply"), columns, rows, frozenset({5}))


def range_acts(words: Words) -> Table:
    """Return the acts on ranges of the authority, each with before and after."""
    _ = words.text
    columns = [_("Entry"), _("Date"), _("Account"), _("Act"), _("Network")]
    rows = [
        [
            str(act.seq),
            words.at(act.time),
            words.account(act.account),
            words.word(act.act),
            act.prefix,
            "; ".join(_field_value(words, one.name, one.before) for one in act.fields if one.before),
            "; ".join(_field_value(words, one.name, one.after) for one in act.fields if one.after),
        ]
        for act in words.made.range_acts
    ]
    return Table(
        _("Acts on networks of the authority while a term was in force"),
        [*columns, _("Before"), _("After")],
        rows,
        frozenset({0}),
    )


def concerned(words: Words, gap: BanGapRead) -> str:
    """Return whose queries were not refused."""
    _ = words.text
    if gap.nodes:
        return _("clients of node {nodes}", nodes=", ".join(gap.nodes))
    fields: dict[str, Sequence[str | int]] = {"tiers": gap.tiers, "funding": gap.funding, "audience": gap.audience}
    left_out = [(field, values) for field, values in fields.items() if values]
    texts = (f"{_field_name(words, field)}: {_field_value(words, field, values)}" for field, values in left_out)
    return "; ".join(texts) or _("all clients")


def _field_name(words: Words, field: str) -> str:
    """Return the name of a field of a ban's scope or reply."""
    _ = words.text
    return {
        "reply": _("Reply to refused queries"),
        "addresses": _("Addresses"),
        "tiers": _("Tiers of the service"),
        "funding": _("Devices paid for with"),
        "audience": _("Devices used by"),
    }[field]


def _field_value(words: Words, field: str, values: Iterable[str | int]) -> str:
    texts = map(str, values)
    if field == "authority":
        return ", ".join(map(words.authority, texts))
    if field == "audience":
        return words.words("public_audience" if text == "public" else text for text in texts)
    return words.words(texts) if field in ("reply", "funding") else ", ".join(texts)
