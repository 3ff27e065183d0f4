"""The programs that have a manual."""

from api.ctl.help_topics import TEXTS
from api.ctl.parser import make_parser as ctl_parser
from api.ctl.topics import TOPICS
from api.main import make_parser as api_parser
from api.manual.help_texts import Manual, read_manual
from dnsfilter.cli.main import make_parser as node_parser


def manuals() -> list[Manual]:
    """Return the manual of each program."""
    texts = {topic.replace("-", " ").capitalize(): text for topic, text in TEXTS.items()}
    return [
        read_manual(node_parser(), 8),
        read_manual(api_parser(), 8),
        read_manual(ctl_parser(), 1, TOPICS, texts),
    ]


def references(manual: Manual) -> list[str]:
    """Return the pages of the other programs, such as `dnsfilter(8)`."""
    return [f"{each.program.name}({each.chapter})" for each in manuals() if each.program.name != manual.program.name]
