"""Local zones of Unbound. They are only written."""

from blocklists.formats.items import Item, item_text

COMMENT = "#"
HEAD = "server:"


def unbound_line(item: Item) -> str:
    """Return the lines of an item, or an empty text: Unbound cannot free a name without those below it.

    An exact name gets an address that leads nowhere, so that names below it resolve.
    """
    name = item_text(item)
    if item.allow:
        return "" if item.exact else f'local-zone: "{name}." always_transparent'
    if item.exact:
        return f'local-zone: "{name}." transparent\nlocal-data: "{name}. 60 IN A 0.0.0.0"'
    return f'local-zone: "{name}." always_nxdomain'
