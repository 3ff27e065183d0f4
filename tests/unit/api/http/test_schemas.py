"""Messages about request bodies that do not fit the model, or hold unreadable text."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

import api.application  # noqa: F401  (for the request bodies of all routes)
from api.accounts.schemas import AccountWrite, GrantWrite
from api.authorities.schemas import AuthorityWrite
from api.bans.schemas import BanWrite, Ending
from api.bindings.schemas import BindingWrite
from api.errors import Invalid
from api.exemptions.schemas import ExemptionWrite
from api.http.patterns import NUMBERS, OF_PATTERN, OWN_SLUG, SERVICE_SLUG
from api.http.schemas import MAX_REPEATED, Line, Reason, ShortLine, Strict, validated, words_of
from api.suspensions.schemas import SuspensionWrite
from dnsfilter.policy.instants import EXAMPLES
from dnsfilter.policy.text_faults import text_fault
from tests.unit.api.conftest import authority

REASON = "because of that"
NO_TIME = f"not a date or time: write for example {EXAMPLES}"
NO_SPAN = 'not a span of time: write for example "4 minutes", "72 hours", "30 days" or "6 months"'


def faults(kind: type[BaseModel], values: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the faults of an invalid body."""
    with pytest.raises(Invalid) as caught:
        validated(kind, values)
    return [(fault.location.removeprefix("body."), fault.message) for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("kind", "values", "location", "message"),
    [
        (
            BanWrite,
            {"terms": [{"until": "31/12/2026"}]},
            "terms.0.until",
            f"'31/12/2026' is {NO_TIME}",
        ),
        (
            BanWrite,
            {"terms": [{"until": "2026-02-30"}]},
            "terms.0.until",
            "'2026-02-30' is not a date: the calendar has ",
        ),
        (BanWrite, {"terms": [{"until": "9999-01-01"}]}, "terms.0.until", "'9999-01-01' lies outside the years "),
        (BanWrite, {"terms": [{"start": "1/12/2026"}]}, "terms.0.start", f"'1/12/2026' is {NO_TIME}"),
        (
            BanWrite,
            {"terms": [{"start": "2026-12-01T25:00:00Z"}]},
            "terms.0.start",
            "'2026-12-01T25:00:00Z' is not a time",
        ),
        (BanWrite, {"terms": [{"for": "6"}]}, "terms.0.for", f"'6' is {NO_SPAN}"),
        (BanWrite, {"terms": [{"for": "half a year"}]}, "terms.0.for", f"'half a year' is {NO_SPAN}"),
        (BanWrite, {"terms": [{"for": "x" * 21}]}, "terms.0.for", "give at most 20 characters"),
        (
            BanWrite,
            {"decision": {"date": "10/03/2026"}},
            "decision.date",
            "'10/03/2026' is not a date: write for example ",
        ),
        (BanWrite, {"decision": {"date": "2026-02-30"}}, "decision.date", "'2026-02-30' is not a date: the calendar "),
        (
            BanWrite,
            {"decision": {"link": "www.example.org"}},
            "decision.link",
            "is not a link: write for example https://",
        ),
        (
            BanWrite,
            {"decision": {"follows": "ghent"}},
            "decision.follows",
            "'ghent' is not the name of a ban: write for example ",
        ),
        (BanWrite, {"mode": "on"}, "mode", "is not one of 'enforce', 'monitor' or 'off'"),
        (BanWrite, {"tiers": []}, "tiers", "give at least one"),
        (BanWrite, {"tiers": [0]}, "tiers.0", "give at least 1"),
        (BanWrite, {"tiers": [10]}, "tiers.0", "give at most 9"),
        (BanWrite, {"terms": [{}] * 101}, "terms", "give at most 100"),
        (BanWrite, {"addresses": ["nobody"]}, "addresses", "'nobody' does not appear to be an IPv4 or IPv6 address"),
        (BanWrite, {"hours": "9-12"}, "hours", "there is no such field"),
        (Ending, {"at": "gisteren", "reason": REASON}, "at", f"'gisteren' is {NO_TIME}"),
        (
            Ending,
            {"at": "2027-13-01", "reason": REASON},
            "at",
            "'2027-13-01' is not a date: the calendar has no such day",
        ),
        (Ending, {"reason": "no"}, "reason", "give at least 3 characters"),
        (Ending, {"reason": "two\nlines"}, "reason", "has a line break, another control character"),
        (Ending, {}, "reason", "is missing"),
        (
            AuthorityWrite,
            authority(languages=["vlaams"]),
            "languages.0",
            "'vlaams' is not a language: write for example nl",
        ),
        (AuthorityWrite, authority(names={"Vlaams": "Stad"}), "names.Vlaams", "'Vlaams' is not a language: write for "),
        (AuthorityWrite, authority(names={}), "names", "give at least one"),
        (AuthorityWrite, authority(names={"nl": ""}), "names.nl", "is empty"),
        (AuthorityWrite, authority(time_zone="Gent"), "time_zone", "unknown time zone 'Gent'"),
        (
            AccountWrite,
            {"kind": "user", "login": "J J", "name": "x"},
            "login",
            "'J J' is not a login: use lower-case letters",
        ),
        (GrantWrite, {"account": 1, "role": "reader", "for": "1d ", "reason": ""}, "reason", "give at least 3 "),
        (
            SuspensionWrite,
            {"authority": "Gent", "for": "5m", "reason": REASON},
            "authority",
            "'Gent' is not a short name: ",
        ),
        (SuspensionWrite, {"authority": None, "for": "5h", "reason": REASON}, "for", "'5h' is longer than 4 hours"),
        (
            SuspensionWrite,
            {"authority": None, "for": "5", "reason": REASON},
            "for",
            "'5' is not a duration: write for ",
        ),
        (
            SuspensionWrite,
            {"authority": None, "until": "morgen", "reason": REASON},
            "until",
            f"'morgen' is {NO_TIME}",
        ),
        (
            SuspensionWrite,
            {"authority": None, "until": "through 21 September 2026 23:00", "reason": REASON},
            "until",
            "'through 21 September 2026 23:00' has a time: write the last day alone",
        ),
    ],
)
def test_a_fault_says_what_to_write(kind: type[BaseModel], values: dict[str, Any], location: str, message: str) -> None:
    [(where, found)] = faults(kind, values)
    assert (where, found[: len(message)]) == (location, message)


def test_all_faults_are_reported_at_once() -> None:
    term = {"until": "31/12/2026", "reason": REASON}
    values = {
        "ban": "ghent",
        "authority": "diest",
        "ground": "law",
        "instrument": "",
        "date": "16/3/2026",
        "until": "1",
    }
    locations = [location for location, _ in faults(BindingWrite, values)]
    assert locations == ["ban", "instrument", "date", "until"]
    assert [location for location, _ in faults(ExemptionWrite, term)] == ["ban", "ranges", "until"]


@pytest.mark.parametrize("secret", ["dnsf_AAAABBBBCCCC", "x dnsf_AAAABBBBCCCC"])
def test_a_token_given_by_mistake_is_not_repeated(secret: str) -> None:
    [(_, found)] = faults(AccountWrite, {"kind": "user", "login": secret, "name": "x"})
    assert found == "what was given is not a login: use lower-case letters, digits, dots and hyphens"


def test_the_password_of_a_link_is_not_repeated() -> None:
    [(_, found)] = faults(BanWrite, {"decision": {"link": "https://desk:hush@example.org/a b"}})
    assert "hush" not in found


def test_repeated_input_is_short_and_printable() -> None:
    [(_, found)] = faults(SuspensionWrite, {"authority": "\x1b]0;" + "x" * 5000, "for": "5m", "reason": REASON})
    assert (found.isprintable(), len(found) < 3 * MAX_REPEATED) == (True, True)


def test_every_pattern_has_a_message() -> None:
    kinds = list(_below(Strict))
    found = {pattern for kind in kinds for pattern in _patterns(kind.model_json_schema())}
    assert len(kinds) > 20
    assert found | {SERVICE_SLUG, OWN_SLUG, NUMBERS} == set(OF_PATTERN), "these stand in paths and queries alone"


def test_no_pattern_stands_for_digits_or_letters_of_all_scripts() -> None:
    r"""In a library for Unicode `\d` is 700 characters: one pattern with it took 16 MB."""
    assert not [pattern for pattern in OF_PATTERN if re.search(r"\\[dw]", pattern)]


def _below(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for each in kind.__subclasses__():
        yield each
        yield from _below(each)


def _patterns(schema: Any) -> Iterator[str]:
    match schema:
        case dict():
            if isinstance(schema.get("pattern"), str):
                yield schema["pattern"]
            for key, value in schema.items():
                # The schema has the patterns of a mapping's keys as keys.
                yield from schema[key] if key == "patternProperties" else ()
                yield from _patterns(value)
        case list():
            for value in schema:
                yield from _patterns(value)


ODD = "aé漢 \u00a0\u00ad\u061c\u200b\u200c\u200d\u200e\u202e\u2028\u2066\ufeff\x07\x9b\U000e0041"


@pytest.mark.parametrize("kind", [Line, ShortLine, Reason])
@given(text=st.text(ODD, min_size=1, max_size=6))
def test_lines_accept_the_same_text_as_policies(kind: Any, text: str) -> None:
    try:
        TypeAdapter(kind).validate_python(f"-{text}-")
    except ValidationError as error:
        [fault] = error.errors()
        assert text_fault(text) is not None, fault
        message = words_of({**fault})
        assert message == "has a line break, another control character or an invisible character"
    else:
        assert text_fault(text) is None


def test_the_pattern_covers_all_invisible_characters_of_unicode() -> None:
    line = TypeAdapter(Line)
    for number in range(0x110000):
        if unicodedata.category(one := chr(number)) == "Cf" and one not in "\u200c\u200d":
            with pytest.raises(ValidationError):
                line.validate_python(f"-{one}-")
