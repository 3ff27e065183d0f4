"""Local zones of Unbound."""

from pathlib import Path

from blocklists.formats.items import Item
from blocklists.formats.known import UNBOUND, written
from dnsfilter.wire.names import parse_name
from tests.support.components import component


def test_unbound_accepts_what_is_written(tmp_path: Path) -> None:
    items = [
        Item(1, parse_name("a.example"), False),
        Item(2, parse_name("b.example"), True),
        Item(3, parse_name("c.a.example"), False, True),
    ]
    freed = Item(4, parse_name("d.a.example"), True, True)
    left_out: list[Item] = []
    lines = list(written(UNBOUND, [*items, freed], "A remark", 7, left_out))
    assert left_out == [freed]
    path = tmp_path / "unbound.conf"
    path.write_text("\n".join([*lines, f'directory: "{tmp_path}"', 'username: ""', 'chroot: ""', ""]))
    done = component("unbound-checkconf").run(str(path))
    assert done.returncode == 0, done.stdout + done.stderr
