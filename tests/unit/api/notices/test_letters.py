"""Texts of notices: every kind in every language, dates, no forged headers or lines."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.locale.date_phrases import at_words, end_words
from api.locale.translations import LOCALES, translations
from api.notices.kinds import Kind
from api.notices.letters import SEPARATOR, WIDTH, Names, languages_of, letter
from api.notices.texts import COMMANDS, TEXTS
from api.timestamps import parse_timestamp, stored_instant
from dnsfilter.policy import model
from dnsfilter.policy.model import Authority

MIDNIGHT = parse_timestamp("2026-10-01", "Europe/Brussels", 0)
MORNING = stored_instant("2026-10-01T09:00:00+02:00")
FACTS: dict[str, Any] = {
    "ban": "federal/tiktok",
    "reference": "KB 2026/12",
    "number": 7,
    "until_s": MIDNIGHT,
    "at_s": MORNING,
    "review_s": MIDNIGHT,
    "own_until_s": MIDNIGHT,
    "source": "federal",
    "bound": "ghent",
    "former": "federal",
    "scope": "ghent",
    "node": "office-1",
    "nodes": ["office-1"],
    "revision": 41,
    "site": "default",
    "feed": "ghent:games",
    "asked": [["cdn.example.org", 100], ["api.example.org", 20]],
    "asked_count": 12,
    "range": "192.0.2.0/24",
    "deleted_s": MIDNIGHT,
}

"""Facts of most kinds. `services` makes a notice one about a prohibited list."""
OF_KIND = {
    Kind.LIST_PROPOSAL: {"list": "ghent/ai", "title": "AI", "category": "ai", "services": ["tiktok", "newbot"]},
}


def _authority(slug: str, *languages: str, **names: str) -> Authority:
    kind = model.Kind.MUNICIPALITY
    return Authority(slug, kind, tuple(names.items()), languages, "Europe/Brussels", "ict@example.org")


FEDERAL = _authority("federal", "fr", "nl", fr="État fédéral", nl="Federale overheid")
GHENT = _authority("ghent", "nl", nl="Stad Gent")
COMMUNITY = _authority("ostbelgien", "de", de="Deutschsprachige Gemeinschaft")
NAMES = Names({one.slug: one for one in (FEDERAL, GHENT, COMMUNITY)}, {"tiktok": "TikTok"})


@pytest.mark.parametrize("kind", Kind)
def test_command_follows_a_line_that_introduces_it(kind: Kind) -> None:
    assert kind not in COMMANDS or TEXTS[kind].do.endswith(":")


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("to", [None, FEDERAL, GHENT, COMMUNITY], ids=lambda to: to.slug if to else "installation")
def test_no_line_is_too_long_and_no_placeholder_remains(kind: Kind, to: Authority | None) -> None:
    written = letter(kind, OF_KIND.get(kind, FACTS), to, NAMES)
    assert "\n" not in written.subject
    assert not re.search(r"[{}]|None", written.subject + written.text)
    assert max(map(len, written.text.splitlines())) <= WIDTH
    assert written.text.count(SEPARATOR) == len(languages_of(to)) - 1


@pytest.mark.parametrize("language", LOCALES)
def test_suspension_notice_says_that_the_recipients_bans_have_no_effect(language: str) -> None:
    to = _authority("federal", language, nl="Federale overheid")
    phrase = translations(language).gettext("Your bans that apply there have no effect during the suspension.")
    for facts, expected in ((FACTS, False), ({**FACTS, "binds": True}, True)):
        written = letter(Kind.SUSPENSION_STARTED, facts, to, NAMES)
        assert (phrase in " ".join(written.text.split())) == expected
        assert "  " not in written.text


SEVERAL = (Kind.NODE_SILENT, Kind.NODE_BEHIND, Kind.NODE_HELD, Kind.NODE_BACK)


@pytest.mark.parametrize("kind", SEVERAL)
def test_notice_about_several_nodes_gives_their_number_and_names_at_most_thirty(kind: Kind) -> None:
    for count, named, more in ((1, 1, ""), (2, 2, ""), (30, 30, ""), (1500, 30, "and 1470 more")):
        names = [f"node-{number:04}" for number in range(count)]
        written = letter(kind, {**FACTS, "nodes": names}, None, NAMES)
        assert (str(count) if count > 1 else names[0]) in written.subject
        assert len(re.findall(r"node-\d{4}", written.text)) == named
        assert more in " ".join(written.text.split())
        assert ("nodes" in written.text) == (count > 1)
        assert max(map(len, written.text.splitlines())) <= WIDTH


def test_only_notices_about_nodes_have_plural_texts() -> None:
    assert [kind for kind in Kind if TEXTS[kind].subject_many] == [kind for kind in Kind if TEXTS[kind].what_many]
    assert tuple(kind for kind in Kind if TEXTS[kind].what_many) == SEVERAL


def test_notice_has_all_languages_of_the_authority_in_order() -> None:
    written = letter(Kind.BAN_ENDING, FACTS, FEDERAL, NAMES)
    french, dutch = written.text.split(f"\n\n{SEPARATOR}\n\n")
    assert "TikTok (État fédéral) s'applique encore jusqu'au 30 septembre 2026 inclus" in " ".join(french.split())
    assert "TikTok (Federale overheid) geldt nog tot en met 30 september 2026" in " ".join(dutch.split())
    for section in (french, dutch):
        assert "KB 2026/12" in section
        assert "dnsfilterctl ban renew federal tiktok" in section
    assert written.subject == (
        "dnsfilter: l'interdiction visant TikTok arrive à échéance (jusqu'au 30 septembre 2026 inclus) / "
        "het verbod op TikTok loopt af (tot en met 30 september 2026)"
    )


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        (("nl",), ("nl",)),
        (("de", "fr"), ("de", "fr")),
        (("it", "es"), ("en",)),
        (("it", "nl", "es", "en"), ("en", "nl")),
        (("nl-BE", "fr-BE", "nl-NL"), ("nl", "fr")),
    ],
)
def test_languages_without_a_catalogue_become_english_once(
    languages: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert languages_of(_authority("somewhere", *languages)) == expected


@pytest.mark.parametrize(
    ("language", "through", "until", "at"),
    [
        ("nl", "tot en met 30 september 2026", "tot 1 oktober 2026 om 09:00 CEST", "op 1 oktober 2026"),
        ("fr", "jusqu'au 30 septembre 2026 inclus", "jusqu'au 1er octobre 2026 à 09:00 CEST", "le 1er octobre 2026"),
        ("de", "bis einschließlich 30. September 2026", "bis zum 1. Oktober 2026 um 09:00 CEST", "am 1. Oktober 2026"),
        ("en", "through 30 September 2026", "until 1 October 2026 at 09:00 CEST", "on 1 October 2026"),
    ],
)
def test_dates_follow_the_conventions_of_each_language(language: str, through: str, until: str, at: str) -> None:
    assert end_words(MIDNIGHT, "Europe/Brussels", language) == through
    assert end_words(MORNING, "Europe/Brussels", language) == until
    assert at_words(MIDNIGHT, "Europe/Brussels", language) == at


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"own_until_s": MIDNIGHT}, "it applies through 30 September 2026"),
        ({"own_until_s": MIDNIGHT, "own_lapsed": True}, "it applied through 30 September 2026 and has lapsed"),
        ({"own_review_s": MIDNIGHT}, "it is due for review on 1 October 2026"),
        ({}, "it has no end date"),
    ],
)
def test_notice_to_a_follower_says_until_when_its_own_decision_applies(own: dict[str, Any], said: str) -> None:
    facts = {"ban": "mechelen/tiktok", "source": "federal", "reference": "KB 2027/1", "until_s": MIDNIGHT, **own}
    to = _authority("mechelen", "en", en="Mechelen")
    text = letter(Kind.SOURCE_RENEWED, facts, to, NAMES).text
    assert said in " ".join(text.split())
    assert "Ban: TikTok, État fédéral (federal/tiktok)\nReference: KB 2027/1" in text
    assert "dnsfilterctl ban renew mechelen tiktok" in text


def test_a_renewal_without_an_end_says_so() -> None:
    facts = {"ban": "mechelen/tiktok", "source": "federal", "reference": ""}
    assert "(without an end date)" in letter(Kind.SOURCE_RENEWED, facts, None, NAMES).text


def test_notice_of_a_lapsed_provisional_ban_asks_for_confirmation() -> None:
    written = letter(Kind.BAN_LAPSED, {**FACTS, "provisional": True}, GHENT, NAMES)
    assert "ban set federal tiktok --confirm" in written.text


def test_notice_of_a_lapsed_ban_says_when_its_next_term_begins() -> None:
    text = letter(Kind.BAN_LAPSED, {**FACTS, "resumes_s": MORNING}, None, NAMES).text
    assert "A further term begins on 1 October 2026 at 09:00 CEST." in " ".join(text.split())


def test_notice_of_pending_names_gives_their_queries_and_each_command_on_a_line_of_its_own() -> None:
    written = letter(Kind.PENDING_NAMES_ASKED, {**FACTS, "service": "tiktok"}, None, NAMES)
    assert written.subject.endswith("new names of TikTok, which will be refused (from 1 October 2026 at 09:00 CEST)")
    assert "(update 7): cdn.example.org (100), api.example.org (20) and 10 more." in " ".join(written.text.split())
    assert [line for line in written.text.splitlines() if line.startswith("    ")] == [
        "    dnsfilterctl update show 7",
        "    dnsfilterctl update object 7 NAME --reason REASON",
        "    dnsfilterctl update accept 7",
    ]


def test_notice_of_proposed_services_names_list_category_and_services_and_says_how_to_decide() -> None:
    written = letter(Kind.LIST_PROPOSAL, OF_KIND[Kind.LIST_PROPOSAL], GHENT, NAMES)
    assert written.subject == "dnsfilter: nieuwe diensten voor de verbodslijst AI: TikTok, newbot"
    assert "in de categorie ai, waaruit de verbodslijst AI is samengesteld: TikTok, newbot." in " ".join(
        written.text.split()
    )
    assert "Verbod:" not in written.text
    assert [line.removesuffix(" \\") for line in written.text.splitlines() if line.startswith("    ")] == [
        "    dnsfilterctl prohibited-list add ghent ai tiktok newbot",
        '      --legal-basis BASIS --reference REFERENCE --for "6 months"',
        "    dnsfilterctl prohibited-list decline ghent ai tiktok newbot",
    ]


def test_follower_without_a_ban_in_force_is_not_asked_to_end_it() -> None:
    facts = {"ban": "mechelen/tiktok", "source": "federal", "until_s": MIDNIGHT, "own_until_s": MIDNIGHT}
    in_force = letter(Kind.SOURCE_ENDED, facts, None, NAMES).text
    found = letter(Kind.SOURCE_ENDED, {**facts, "own_lapsed": True}, None, NAMES).text
    assert "To end your ban as well" in in_force
    assert "dnsfilterctl ban end mechelen tiktok" in in_force
    assert "it applied through 30 September 2026" in found
    assert "To end your ban" not in found
    assert "dnsfilterctl" not in found


def test_the_end_of_a_suspension_says_whether_bans_apply() -> None:
    facts = {"scope": "ghent", "at_s": MORNING}
    found = " ".join(letter(Kind.SUSPENSION_ENDED, facts, None, NAMES).text.split())
    still = " ".join(letter(Kind.SUSPENSION_ENDED, {**facts, "still_s": MORNING + 60}, None, NAMES).text.split())
    ended = "The suspension for Stad Gent was ended early on 1 October 2026 at 09:00 CEST."
    assert found == f"{ended} Bans apply again."
    assert still == (
        f"{ended} Another suspension lasts until 1 October 2026 at 09:01 CEST. Meanwhile, no queries are refused."
    )


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_name_forges_a_header_or_a_line(name: str, reference: str) -> None:
    body = Authority("federal", model.Kind.FEDERAL, (("nl", name),), ("nl",), "Europe/Brussels", "")
    written = letter(Kind.BAN_ENDING, {**FACTS, "reference": reference}, body, Names({"federal": body}, {}))
    assert written.subject.isprintable()
    assert all(line.isprintable() for line in written.text.split("\n"))
    assert max(map(len, written.text.split("\n"))) <= WIDTH
