"""Checkpoints are found in each form in which people keep them, and what cannot be read is named."""

import json
from collections.abc import Sequence

import pytest

from api.chain.checkpoint import Checkpoint
from api.chain.held_checkpoints import TextCheckpoint, UnreadableCheckpoint, find_checkpoints
from tests.support.audit_records import held, record

ONE, TWO = held(record(8), 4, 8)
SHOWN = {**ONE.fields, "delivered": ["file", "mail"]}
SENTENCE = f"checkpoint 1: entry 4 has the hash {ONE.statement.hash}"
PRINTED = TextCheckpoint(1, 4, ONE.statement.hash)


def _found(text: str) -> Sequence[Checkpoint | TextCheckpoint | UnreadableCheckpoint]:
    return list(find_checkpoints(text.encode().splitlines(keepends=True)))


@pytest.mark.parametrize(
    "text",
    [
        ONE.line,
        f"{ONE.line}\r\n",
        f"Nov 25 10:00:00 host dnsfilter-api: {ONE.line}\n",
        f"> {ONE.line}\n",
        json.dumps(ONE.fields),
        json.dumps(ONE.fields, indent=2),
        json.dumps(SHOWN, indent=4),
        json.dumps(SHOWN, indent="\t").replace("{\n", "{\r\n"),
        json.dumps(dict(reversed(SHOWN.items())) | {}, indent=2, sort_keys=True),
        json.dumps([SHOWN], indent=2),
        json.dumps({"items": [SHOWN], "next": None}),
        "".join(f"> {line}\n" for line in json.dumps(SHOWN, indent=2).splitlines()),
        "\n> ".join(ONE.line[at : at + 70] for at in range(0, len(ONE.line), 70)),
        "=\n".join(ONE.line[at : at + 75] for at in range(0, len(ONE.line), 75)),
    ],
)
def test_checkpoint_as_json_is_found_in_one_line_or_several(text: str) -> None:
    assert _found(text) == [ONE]
    assert _found(f"Subject: checkpoint {{\n\n{text}\n-- \n}}") == [ONE]


@pytest.mark.parametrize(
    "text",
    [
        SENTENCE,
        f"I noted: {SENTENCE}\nsigned with the key {ONE.key}\n",
        SENTENCE.replace("hash ", "hash\n> "),
        SENTENCE.replace(" entry", "\nentry"),
        f"1           25 November 2026 11:00:05 CET  4      {ONE.statement.hash}  file, mail",
        f"> 1   2 March 2026 11:00:04 CET   4   {ONE.statement.hash}",
    ],
)
def test_checkpoint_as_text_is_found(text: str) -> None:
    assert _found(f"checkpoint  time  entry  hash\n{text}\nregards\n") == [PRINTED]
    assert _found(text) == [PRINTED]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing here",
        '{"seq": 1}',
        "checkpoint of the audit log",
        f"1  2  {64 * 'a'}",
        "{",
    ],
)
def test_other_text_is_skipped(text: str) -> None:
    assert _found(text) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (ONE.line[:-9], "truncated"),
        ('{\n  "checkpoint": 1,\n  "seq"', "truncated"),
        ('{"checkpoint":1}', "fields are missing"),
        ('{"checkpoint":1 ' + 5000 * "a", "truncated"),
        (ONE.line.replace('"seq"', "'seq'"), "not JSON"),
        (f"{SENTENCE[:-1]}…", "no complete hash"),
        (SENTENCE.partition("hash")[0] + "hash\nof the last entry", "no complete hash"),
        (f"checkpoint 1: entry 0 has the hash {ONE.statement.hash}", "no complete hash"),
    ],
)
def test_checkpoint_that_cannot_be_read_is_named_with_its_line(text: str, reason: str) -> None:
    (one, two) = _found(f"Dear all,\n{text}\n{TWO.line}\n")
    assert isinstance(one, UnreadableCheckpoint)
    assert (one.line, two) == (2, TWO)
    assert reason in one.reason
    assert [one.line for one in _found(f"\n\n{text}\nend") if isinstance(one, UnreadableCheckpoint)] == [3]


def test_truncated_line_is_named_without_what_the_log_puts_before_the_next_one() -> None:
    (torn, complete) = _found(f"{ONE.line[:100]}\n<85>1 - - dnsfilter-api - checkpoint - {ONE.line}\n")
    assert torn == UnreadableCheckpoint(1, ONE.line[:100].encode(), "not a checkpoint: it is truncated")
    assert complete == ONE


def test_sentence_whose_hash_never_comes_is_named() -> None:
    assert [type(one) for one in _found("\n" + SENTENCE.partition("hash")[0] + "hash")] == [UnreadableCheckpoint]


def test_forms_are_found_together_in_their_order() -> None:
    text = f"{SENTENCE}\n{json.dumps(SHOWN, indent=2)}\n{TWO.line} {ONE.line}\n"
    assert _found(text) == [PRINTED, ONE, TWO, ONE]
