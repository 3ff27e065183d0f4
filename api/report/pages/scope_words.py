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
    return Facts([(name, value) for name, value in facts if value], words.phrases.scope)


def scope_changes(words: Words, ban: BanReportRead) -> Table:
    """Return the changes of scope and reply, each with before and after."""
    phrases = words.phrases
    columns = [phrases.date, phrases.changed, phrases.before, phrases.after]
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
    columns += [phrases.reason, phrases.entry, phrases.account]
    return Table(phrases.scope_changes, columns, rows, frozenset({5}))


def range_acts(words: Words) -> Table:
    """Return the acts on ranges of the authority, each with before and after."""
    phrases = words.phrases
    columns = [phrases.entry, phrases.date, phrases.account, phrases.act, phrases.network]
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
    return Table(phrases.range_acts, [*columns, phrases.before, phrases.after], rows, frozenset({0}))


def concerned(words: Words, gap: BanGapRead) -> str:
    """Return whose queries were not refused."""
    phrases = words.phrases
    if gap.nodes:
        return phrases.clients_of.format(nodes=", ".join(gap.nodes))
    fields: dict[str, Sequence[str | int]] = {"tiers": gap.tiers, "funding": gap.funding, "audience": gap.audience}
    left_out = [(field, values) for field, values in fields.items() if values]
    texts = (f"{_field_name(words, field)}: {_field_value(words, field, values)}" for field, values in left_out)
    return "; ".join(texts) or phrases.all_clients


def _field_name(words: Words, field: str) -> str:
    """Return the name of a field of a ban's scope or reply."""
    phrases = words.phrases
    return {
        "reply": phrases.reply,
        "addresses": phrases.addresses,
        "tiers": phrases.tiers,
        "funding": phrases.funding,
        "audience": phrases.audience,
    }[field]


def _field_value(words: Words, field: str, values: Iterable[str | int]) -> str:
    texts = map(str, values)
    if field == "authority":
        return ", ".join(map(words.authority, texts))
    if field == "audience":
        return words.words("public_audience" if text == "public" else text for text in texts)
    return words.words(texts) if field in ("reply", "funding") else ", ".join(texts)
