"""The questions fill in what no option gave. An empty answer keeps what is there."""

import shlex
from collections.abc import Callable
from dataclasses import replace

import pytest

from dnsfilter.cli.setup import questions
from dnsfilter.cli.setup.answers import Answers, answers_of
from dnsfilter.cli.setup.present import Present
from dnsfilter.cli.setup.questions import ask_for_missing, typed_line
from dnsfilter.policy.model import Reply
from tests.unit.cli.setup.conftest import options

HELD = Present(("192.0.2.53",), ("198.51.100.1",), (), {"ghent": {}}, {}, "192.0.2.25")
NOTHING = Present((), (), (), {}, {}, "")
Type = Callable[..., None]


@pytest.fixture
def typing(monkeypatch: pytest.MonkeyPatch) -> Type:
    def typed(**answers: str | list[str]) -> None:
        """Answer questions that contain a word, with `_` for a blank. Others get an empty answer."""
        left = {key.replace("_", " "): [value] if isinstance(value, str) else value for key, value in answers.items()}

        def answer(question: str) -> str:
            for word, texts in left.items():
                if word in question and texts:
                    return texts.pop(0)
            return ""

        monkeypatch.setattr("builtins.input", answer)

    return typed


def test_empty_answers_keep_what_is_there(typing: Type) -> None:
    typing()
    given = options()
    ask_for_missing(given, HELD)
    assert answers_of(given, HELD) == Answers(slug="ghent")


def test_a_first_run_asks_for_everything(typing: Type) -> None:
    typing(
        Addresses_that_answer="192.0.2.53, 127.0.0.1",
        Upstream="resolv.conf",
        Domain_of="corp.local",
        Addresses_of_the_domain="192.0.2.10,192.0.2.11",
        Authority="ghent",
        Kind=["city", "municipality"],
        Languages="nl, fr",
        Name_in=["Stad Gent", "Gand"],
        Contact=["", "ict@ghent.example"],
        Reply_of_bans=["silence", "nodata"],
        Network=["192.0.2.1/24", "192.0.2.0/24"],
        Who_paid=["", "public"],
        Who_uses="staff",
        Label="offices",
        Mail_server="192.0.2.25",
        Sender="dns@ghent.example",
    )
    given = options()
    ask_for_missing(given, NOTHING)
    answers = answers_of(given, NOTHING)
    assert [str(each.address) for each in answers.listen] == ["192.0.2.53", "127.0.0.1"]
    assert (answers.upstreams, len(answers.controllers)) == ("resolv.conf", 2)
    assert answers.authority["names"] == {"nl": "Stad Gent", "fr": "Gand"}
    assert (answers.authority["kind"], answers.networks[0].label) == ("municipality", "offices")
    assert (answers.mail_server, answers.contact, answers.reply) == ("192.0.2.25", "ict@ghent.example", Reply.NODATA)


def test_what_an_option_gave_is_not_asked(typing: Type) -> None:
    typing(Addresses_that_answer="192.0.2.54", Upstream="198.51.100.9")
    given = options("--listen", "192.0.2.53", "--upstream", "198.51.100.1")
    ask_for_missing(given, HELD)
    assert (given.listen, given.upstream) == (["192.0.2.53"], ["198.51.100.1"])


@pytest.mark.parametrize(("synchronized", "asked"), [(True, False), (False, True)])
def test_a_clock_that_no_ntp_client_confirms_is_asked_about(
    typing: Type, monkeypatch: pytest.MonkeyPatch, synchronized: bool, asked: bool
) -> None:
    monkeypatch.setattr(questions, "kernel_is_synchronized", lambda: synchronized)
    typing(Trust_it="yes")
    given = options()
    ask_for_missing(given, HELD)
    assert answers_of(given, HELD).trust_clock is asked
    ask_for_missing(trusted := options(), replace(HELD, trust_clock=True))
    assert not trusted.trust_clock


def test_the_line_gives_the_same_options() -> None:
    given = options(
        "--listen",
        "192.0.2.53",
        "--listen",
        "::1",
        "--name",
        "nl=Stad Gent",
        "--mail-server",
        "192.0.2.25",
        "--reply",
        "nodata",
        "--trust-clock",
    )
    name, verb, *words = shlex.split(typed_line(given))
    assert (name, verb) == ("dnsfilter", "setup")
    assert vars(options(*words)) == vars(given) | {"yes": True}
