"""Every command has examples, and the parser accepts them."""

import shlex

from api.ctl.parser import make_parser
from dnsfilter.shell_completion import every


def test_every_verb_has_a_runnable_example() -> None:
    verbs = [parser for parser in every(make_parser()) if parser.get_default("verb") is not None]
    assert len(verbs) > 35
    for parser in verbs:
        assert parser.epilog is not None
        examples = [line.strip() for line in parser.epilog.replace("\\\n", "").splitlines()[1:]]
        assert examples
        for example in examples:
            parsed = make_parser().parse_args(shlex.split(example)[1:])
            assert (parsed.command, example.startswith("dnsfilterctl ")) == (parser, True)
