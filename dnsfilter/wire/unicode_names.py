"""Names in any script: labels that are not ASCII become A-labels (UTS 46 mapping, then IDNA 2008, RFC 5891)."""

from dnsfilter.wire.names import MAX_NAME, NameFault, parse_name

NOT_INTERNATIONALIZED = "is not a valid internationalized name: write its labels as xn--, as a browser copies them"


def parse_unicode_name(text: str) -> bytes:
    """Return a name as people write it in folded wire form: `xn--bcher-kva.example` for "Bücher.example".

    ASCII is read as `parse_name` reads it, also a label with `_` next to labels in other scripts. NameFault names an
    input that is no name.
    """
    return parse_name(text if text.isascii() else _a_labels(text))


def _a_labels(text: str) -> str:
    import idna  # its tables take longer to load than a command needs for all else

    if len(text) > MAX_NAME:
        raise NameFault(text, f"is longer than {MAX_NAME} bytes")
    try:
        labels = idna.uts46_remap(text, std3_rules=False).split(".")
        return ".".join(label if label.isascii() else idna.alabel(label).decode() for label in labels)
    except idna.IDNAError:
        raise NameFault(text, NOT_INTERNATIONALIZED) from None
