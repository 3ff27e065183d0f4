"""Texts of refusals: reference and contact, then a phrase per language, in at most 128 bytes."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.policy.extended_error import TEXT_BYTES, ede_code, refusal_parts, refusal_text, structured_text
from dnsfilter.policy.model import Authority
from tests.support.policies import authority, service

TIKTOK = replace(service("tiktok"), name="TikTok")
GHENT = replace(
    authority("ghent", ("nl",)), names=(("nl", "Stad Gent"), ("fr", "Ville de Gand")), contact="ict@example.org"
)
BRUSSELS = replace(
    authority("brussels-city", ("fr", "nl")),
    names=(("fr", "Ville de Bruxelles"), ("nl", "Stad Brussel")),
    contact="it@example.org",
)
FEDERAL = replace(
    authority("federal", ("nl", "fr", "de")), names=(("nl", "Federale overheid"), ("fr", "État fédéral")), contact=""
)


def text(decider: Authority, client: Authority, reference: str = "") -> str:
    return refusal_text(reference, TIKTOK, decider, client)


@pytest.mark.parametrize(
    ("decider", "client", "reference", "expected"),
    [
        (GHENT, GHENT, "CBS 2023/41", "CBS 2023/41; ict@example.org; TikTok geblokkeerd door Stad Gent"),
        (GHENT, GHENT, "", "ict@example.org; TikTok geblokkeerd door Stad Gent"),
        (
            BRUSSELS,
            BRUSSELS,
            "",
            "it@example.org; TikTok bloqué par Ville de Bruxelles; TikTok geblokkeerd door Stad Brussel",
        ),
        (
            GHENT,
            BRUSSELS,
            "",
            "it@example.org; TikTok bloqué par Ville de Gand; TikTok geblokkeerd door Stad Gent",
        ),
        (
            FEDERAL,
            FEDERAL,
            "",
            "TikTok geblokkeerd door Federale overheid; TikTok bloqué par État fédéral; "
            "TikTok gesperrt durch Federale overheid",
        ),
    ],
)
def test_languages_and_contact_are_those_of_the_client_and_the_name_that_of_the_decider(
    decider: Authority, client: Authority, reference: str, expected: str
) -> None:
    assert text(decider, client, reference) == expected


def test_phrase_that_does_not_fit_is_left_out_with_all_that_follow() -> None:
    reference = "x" * 60
    assert text(BRUSSELS, BRUSSELS, reference) == f"{reference}; it@example.org; TikTok bloqué par Ville de Bruxelles"


def test_a_reference_that_does_not_fit_leaves_room_for_the_rest() -> None:
    assert text(GHENT, GHENT, "é" * 65) == "ict@example.org; TikTok geblokkeerd door Stad Gent"


def test_an_unknown_language_has_no_phrase() -> None:
    assert text(GHENT, replace(GHENT, languages=("it",))) == "ict@example.org"


FLANDERS = replace(authority("flanders", ("nl",)), names=(("nl", "Vlaamse overheid"),), contact="ict@example.org")
WALLONIA = replace(authority("wallonia", ("fr",)), names=(("fr", "Région wallonne"),), contact="tic@example.org")
COMMUNITY = replace(
    authority("ostbelgien", ("de",)), names=(("de", "Ostbelgien"), ("fr", "Communauté germanophone")), contact=""
)
REGION = replace(
    authority("brussels-region", ("fr", "nl")),
    names=(("fr", "Région de Bruxelles"), ("nl", "Brussels Gewest")),
    contact="it@example.org",
)
STATE = replace(FEDERAL, languages=("fr", "nl"), contact="it@example.org")


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        (FLANDERS, "ict@example.org; TikTok geblokkeerd door Vlaamse overheid"),
        (WALLONIA, "tic@example.org; TikTok bloqué par Région wallonne"),
        (COMMUNITY, "TikTok gesperrt durch Ostbelgien"),
        (REGION, "it@example.org; TikTok bloqué par Région de Bruxelles; TikTok geblokkeerd door Brussels Gewest"),
        (STATE, "it@example.org; TikTok bloqué par État fédéral; TikTok geblokkeerd door Federale overheid"),
    ],
    ids=lambda value: value.slug if isinstance(value, Authority) else None,
)
def test_refusal_text_is_in_the_authoritys_languages(authority: Authority, expected: str) -> None:
    assert text(authority, authority) == expected


def test_refusal_text_of_a_bound_ban_is_in_the_clients_languages() -> None:
    assert text(FEDERAL, COMMUNITY) == "TikTok gesperrt durch Federale overheid"
    assert text(COMMUNITY, WALLONIA) == "tic@example.org; TikTok bloqué par Communauté germanophone"


def test_a_region_of_a_language_is_that_language_once() -> None:
    client = replace(STATE, languages=("nl-BE", "nl-NL", "fr-BE"), names=(("nl", "Overheid"), ("fr-BE", "État")))
    assert text(client, client) == "it@example.org; TikTok geblokkeerd door Overheid; TikTok bloqué par État"


def test_a_shorter_phrase_does_not_overtake_a_longer_one_that_comes_first() -> None:
    long = replace(STATE, names=(("fr", "É" * 60), ("nl", "kort")))
    assert text(long, long) == "it@example.org"


@given(st.text(max_size=140), st.text(max_size=140), st.permutations(["nl", "fr", "de", "en"]))
def test_text_is_at_most_128_bytes_and_no_part_is_cut(reference: str, contact: str, languages: list[str]) -> None:
    client = replace(BRUSSELS, contact=contact, languages=tuple(languages))
    encodable = reference.encode("utf-8", "ignore").decode()
    found = text(BRUSSELS, replace(client, contact=contact.encode("utf-8", "ignore").decode()), encodable)
    assert len(found.encode()) <= TEXT_BYTES


def test_own_ban_is_blocked_and_a_bound_one_censored() -> None:
    assert ede_code(bound=False) == 15
    assert ede_code(bound=True) == 16


@pytest.mark.parametrize(
    ("decider", "client", "reference", "parts"),
    [
        (GHENT, GHENT, "CBS 2023/41", ("CBS 2023/41", "ict@example.org", "TikTok", "Stad Gent", "nl")),
        (GHENT, GHENT, "CBS; 41", ("CBS; 41", "ict@example.org", "TikTok", "Stad Gent", "nl")),
        (GHENT, BRUSSELS, "", ("", "it@example.org", "TikTok", "Ville de Gand", "fr")),
        (GHENT, replace(GHENT, languages=("es",)), "C-1", ("C-1", "ict@example.org", "", "", "")),
        (GHENT, GHENT, "x" * 128, ("", "x" * 128, "", "", "")),
    ],
    ids=["own", "semicolon", "another's", "no phrase", "no room"],
)
def test_a_text_is_read_back(decider: Authority, client: Authority, reference: str, parts: tuple[str, ...]) -> None:
    found = refusal_parts(text(decider, client, reference))
    assert (found.reference, found.contact, found.service, found.authority, found.language) == parts


LISTED = replace(GHENT, public_register=True, filtering_database="ghent")
ENTRY = '"fdbs":[{"db":"ghent","id":"CBS 2023/41"}]}'


@pytest.mark.parametrize(
    ("decider", "contact", "bound", "expected"),
    [
        (LISTED, "ict@example.org", False, '{"c":["mailto:ict@example.org"],"s":5,' + ENTRY),
        (LISTED, "ict@example.org", True, '{"c":["mailto:ict@example.org"],' + ENTRY),
        (LISTED, "+32 9 210.10-10", False, '{"c":["tel:+3292101010"],"s":5,' + ENTRY),
        (LISTED, "it&hr@example.org", True, '{"c":["mailto:it%26hr@example.org"],' + ENTRY),
        (LISTED, "https://example.org/help", False, '{"s":5,' + ENTRY),
        (LISTED, "a" * 90 + "@example.org", False, '{"s":5,' + ENTRY),
        (LISTED, "https://example.org/help", True, ""),
        (LISTED, "a" * 90 + "@example.org", True, ""),
        (replace(LISTED, public_register=False), "ict@example.org", False, ""),
        (replace(LISTED, filtering_database=""), "ict@example.org", False, ""),
    ],
    ids=[
        "own",
        "bound",
        "telephone",
        "quoted",
        "no contact",
        "long contact",
        "nothing to say",
        "no room",
        "no register",
        "no database",
    ],
)
def test_refusal_as_json_names_the_entry_of_the_register(
    decider: Authority, contact: str, bound: bool, expected: str
) -> None:
    assert structured_text("CBS 2023/41", decider, replace(BRUSSELS, contact=contact), bound=bound) == expected


def test_refusal_without_a_reference_has_no_json() -> None:
    assert structured_text("", LISTED, GHENT, bound=False) == ""


@given(st.text(max_size=140), st.text(max_size=140), st.booleans())
def test_json_of_a_refusal_is_sound_and_at_most_128_bytes(reference: str, contact: str, bound: bool) -> None:
    reference, contact = (text.encode("utf-8", "ignore").decode() for text in (reference, contact))
    found = structured_text(reference, LISTED, replace(GHENT, contact=contact), bound=bound)
    assert len(found.encode()) <= TEXT_BYTES
    if found:
        read = json.loads(found)
        assert read["fdbs"] == [{"db": "ghent", "id": reference}]
        assert "c" in read or "s" in read
