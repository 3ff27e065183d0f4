"""Public suffixes: what the package's own look-up says, of every rule and of names near it."""

from pathlib import Path

from publicsuffixlist import PSLFILE, PublicSuffixList

from blocklists.public_suffixes import load_public_suffixes
from dnsfilter.wire.names import name_text, parse_name

PACKAGED = PublicSuffixList(accept_unknown=False)
SUFFIXES = load_public_suffixes()


def names_near_rules() -> set[str]:
    texts = {line.split(" ")[0] for line in Path(PSLFILE).read_text(encoding="utf-8").splitlines() if line}
    plain = {text.lstrip("!*").lstrip(".").encode("idna").decode() for text in texts if not text.startswith("//")}
    parents = {text.partition(".")[2] for text in plain} - {""}
    return plain | parents | {f"sample.{text}" for text in plain | parents}


def test_every_rule_and_its_neighbours_are_judged_as_by_the_package() -> None:
    names = names_near_rules()
    wrong = [name for name in names if PACKAGED.is_public(name) != SUFFIXES.has(parse_name(name))]
    assert wrong == []
    assert len(SUFFIXES.names) > 9_000


def test_the_private_section_is_read_too() -> None:
    assert {"github.io", "co.uk", "xn--55qx5d.cn"} <= {name_text(name) for name in SUFFIXES.names}
