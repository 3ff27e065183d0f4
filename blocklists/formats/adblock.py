"""Rules of ad blockers: those that mean a name. https://adguard-dns.io/kb/general/dns-filtering-syntax/

`||x^` is x with all below it, `|x^` exactly x, `@@` before either frees it.
"""

import re
from collections.abc import Iterable, Iterator

from blocklists.formats.items import LONG, MAX_LINE, Item, Parsed, item_text, parsed_name, skip

COMMENT = "!"
PAGE = "is about the content of pages"
EXPRESSION = "is a regular expression"
PATTERN = "has a * inside the name"
PART = "is about a part of a site, or a port"
MODIFIED = "has a modifier that limits or changes it"
NO_ANCHOR = "does not begin with || or |"
NO_END = "begins with | and does not end in ^"
WITHOUT_MEANING = frozenset({"important", "all"})
"""Modifiers that change nothing for a list of names."""
_RULE = re.compile(r"(@@)?(\|\|?)((?:\*\.)?[^\^|/$*:]+)(\^?\|?)(?:\$(.*))?").fullmatch
_PAGE_RULE = re.compile(r"#@?[?$%]{0,2}#|\$@?\$").search
_HEADER = re.compile(r"\[[^\]]*\]").fullmatch


def read_adblock(lines: Iterable[str], exact: bool | None = None) -> Iterator[Parsed]:
    """Yield the names. `exact` reads every rule as exact, or every rule as the name with all below it."""
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            yield skip(number, line, LONG)
            continue
        text = line.strip()
        if not text or text[0] == "!" or _HEADER(text):
            continue
        if "#" in text or "$" in text:
            if _PAGE_RULE(text):
                yield skip(number, text, PAGE)
                continue
            if text[0] == "#":
                continue
        rule = _RULE(text)
        if rule is None:
            yield skip(number, text, _fault(text))
            continue
        allow, anchor, name, end, modifiers = rule.groups()
        if modifiers is not None and not WITHOUT_MEANING.issuperset(modifiers.split(",")):
            yield skip(number, text, MODIFIED)
        elif anchor == "|" and not end:
            yield skip(number, text, NO_END)
        else:
            yield parsed_name(number, name, exact=anchor == "|" if exact is None else exact, allow=allow is not None)


def adblock_line(item: Item) -> str:
    """Return the rule of an item."""
    return f"{'@@' if item.allow else ''}{'|' if item.exact else '||'}{item_text(item)}^"


def _fault(text: str) -> str:
    """Return why a rule means no name."""
    rule = text.removeprefix("@@")
    if rule.startswith("/"):
        return EXPRESSION
    pattern = rule.partition("$")[0]
    if not pattern.startswith("|"):
        return NO_ANCHOR
    return PATTERN if "*" in pattern else PART
