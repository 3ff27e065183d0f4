"""Record a terminal: `python -m tests.support.recorded_terminal docs/pictures/terminal.svg` types COMMANDS.

It types them next to a `make run` in a network namespace. The picture shows one command after another, with its output.
"""

import re
import sys
import tempfile
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from tests.support.checkout import running_checkout, write_program

ASK = "dig -b 127.0.5.10 @127.0.0.1 -p 5300 www.tiktok.com | grep -E 'status|EDE|^www'"
COMMANDS = (
    ASK,
    'dnsfilterctl ban off ghent tiktok --for 8h --reason "election night"',
    ASK,
    "dnsfilterctl ban on ghent tiktok",
    ASK,
)
COLUMNS = 110
STEP_S = 3
"""Seconds between two commands of the picture."""
FRAME = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
text {{ font-family: ui-monospace, monospace; font-size: 20px; animation: appear 0.2s both; }}
@keyframes appear {{ from {{ opacity: 0; }} }}
@media (prefers-reduced-motion), print {{ text {{ animation: none; }} }}
{styles}
</style>
<defs>{lines}</defs>
<rect fill="#0c0c0c" width="{width}" height="{height}" rx="8"/>
<g transform="translate({terminal_x}, {terminal_y})">{matrix}</g>
</svg>
"""
"""A picture in rich's format, without the fonts that it would load from another host."""


def main(path: Path) -> None:
    """Type the commands, and write the picture."""
    with tempfile.TemporaryDirectory() as directory:
        tools = Path(directory, "tools")
        tools.mkdir()
        write_program(tools, "dig")
        console = Console(record=True, width=COLUMNS, file=sys.stderr, force_terminal=True)
        starts: list[int] = []
        with running_checkout(Path(directory, "dnsfilter")) as checkout:
            for command in COMMANDS:
                starts.append(console.export_text(clear=False).count("\n"))
                done = checkout.type(f"PATH=.venv/bin:$PATH\n{command}", str(tools))
                done.check_returncode()
                console.print(Text(f"# {command}", style="bold"))
                console.print(Text(done.stdout))
    drawn = console.export_svg(theme=MONOKAI, code_format=FRAME, unique_id="terminal")
    path.write_text("".join(_timed(drawn, starts)), encoding="utf-8")


def _timed(drawn: str, starts: list[int]) -> Iterator[str]:
    """Yield the picture, in which each line of text appears when its command is typed."""
    for piece in re.split(r"(<text )", drawn):
        line = re.search(r"terminal-line-(\d+)\)", piece) if piece.startswith("class=") else None
        if line is not None:
            yield f'style="animation-delay: {(bisect_right(starts, int(line[1])) - 1) * STEP_S}s" '
        yield piece


if __name__ == "__main__":
    main(Path(sys.argv[1]))
