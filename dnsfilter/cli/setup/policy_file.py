"""Edit policy.toml: what `dnsfilter setup` registered, as a policy file."""

import tomlkit
from tomlkit.items import AoT

from dnsfilter.cli.setup.answers import Answers
from dnsfilter.cli.setup.config_file import item_at, parsed

NEW = """\
# What `dnsfilter setup` registered. The control plane holds the policy.
# `dnsfilterctl policy export` prints it completely.
"""


def edited_policy(text: str, location: str, answers: Answers) -> str:
    """Return the text of the policy file with the answers in it. Raise ConfigError for a text that is not TOML."""
    document = parsed(text, location)
    if answers.slug:
        authorities = item_at(document, "authority", AoT, location)
        _put(authorities, "slug", {"slug": answers.slug, **answers.authority})
    for network in answers.networks:
        fields: dict[str, object] = {
            "prefix": str(network.prefix),
            "authority": answers.slug,
            "funding": str(network.funding),
            "audience": str(network.audience),
        }
        ranges = item_at(document, "range", AoT, location)
        _put(ranges, "prefix", {**fields, "label": network.label} if network.label else fields)
    return tomlkit.dumps(document)


def _put(tables: AoT, key: str, fields: dict[str, object]) -> None:
    """Set these fields in the table with the same `key`, or append a table."""
    for table in tables:
        if table.get(key) == fields[key]:
            for name, value in fields.items():
                if isinstance(value, dict) and isinstance(table.get(name), dict):
                    table[name].update(value)
                elif table.get(name) != value:
                    table[name] = value
            return
    written = {name: _inline(value) if isinstance(value, dict) else value for name, value in fields.items()}
    tables.append(written)


def _inline(values: dict[str, str]) -> tomlkit.items.InlineTable:
    table = tomlkit.inline_table()
    table.update(values)
    return table
