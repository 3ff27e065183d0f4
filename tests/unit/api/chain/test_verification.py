"""Tampering with the audit log is found and located."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.chain.checkpoint import Checkpoint, Statement, public_text
from api.chain.entry_hash import canonical, entry_hash
from api.chain.held_checkpoints import TextCheckpoint
from api.chain.verification import MAX_LINE_BYTES, Report, verify
from tests.support.audit_records import INSTALLATION, KEY, OTHER_KEY, Entry, chained, entries, held, lines, record

COUNT = 12


def _found(report: Report) -> tuple[int, int | None]:
    assert report.chain.fault is not None
    assert not report.sound
    return report.chain.fault.line, report.chain.fault.seq


def _later(checkpoints: list[Checkpoint], first: int) -> list[Checkpoint]:
    """Return the checkpoints as if made a day later, with other numbers."""
    return [
        replace(one.statement, number=number, time="2026-03-03T10:00:00Z").signed_by(KEY)
        for number, one in enumerate(checkpoints, first)
    ]


def _seq(checkpoint: Checkpoint | None) -> int | None:
    return None if checkpoint is None else checkpoint.statement.seq


def _deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def _rebuilt(intact: list[Entry], seq: int) -> list[Entry]:
    """Return the audit log with entry `seq` edited and every later hash computed again."""
    plain = [{name: value for name, value in entry.items() if name not in ("previous", "hash")} for entry in intact]
    plain[seq - 1]["after"] = {"mode": "monitor"}
    before = intact[seq - 2]["hash"] if seq > 1 else "0" * 64
    return intact[: seq - 1] + chained(plain[seq - 1 :], before)


def test_an_intact_audit_log_is_valid_and_its_length_is_reported() -> None:
    report = verify(lines(record(COUNT)))
    assert report.sound
    assert (report.chain.seq, report.held) == (COUNT, None)
    assert verify([canonical(record(1)[0])]).sound, "the last line needs no line break"


def test_an_audit_log_without_entries_is_not_valid() -> None:
    assert verify([]).chain.fault is not None


@pytest.mark.parametrize("seq", [1, 2, 7, COUNT])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("time", "2026-03-02T09:00:00Z"),
        ("account", 9),
        ("access", "local"),
        ("token", 99),
        ("request", ""),
        ("act", "ban.adopt"),
        ("object", "ban/town/beta"),
        ("authorities", ["zone"]),
        ("before", {"mode": "monitor"}),
        ("after", None),
        ("revision", 99),
    ],
)
def test_an_edited_entry_is_named(seq: int, field: str, value: object) -> None:
    edited = record(COUNT)
    edited[seq - 1][field] = value
    report = verify(lines(edited))
    assert _found(report) == (seq, seq)
    assert f"entry {seq} was changed" in str(report.chain.fault)


@pytest.mark.parametrize(("seq", "token"), [(5, None), (6, 1)])
def test_removing_or_adding_the_token_of_an_entry_is_found(seq: int, token: int | None) -> None:
    edited = record(COUNT)
    edited[seq - 1] = {name: value for name, value in edited[seq - 1].items() if name != "token"}
    if token is not None:
        edited[seq - 1]["token"] = token
    report = verify(lines(edited))
    assert (_found(report), f"entry {seq} was changed" in str(report.chain.fault)) == ((seq, seq), True)


def test_a_token_that_is_null_is_refused() -> None:
    assert "a wrong type" in str(verify(lines([{**record(1)[0], "token": None}])).chain.fault)


def test_an_edited_entry_with_a_recomputed_hash_is_found_at_the_next_entry() -> None:
    edited = record(COUNT)
    edited[4]["account"] = 9
    edited[4]["hash"] = entry_hash(edited[4])
    report = verify(lines(edited))
    assert _found(report) == (6, 6)
    assert "entry 6 does not follow entry 5" in str(report.chain.fault)


@pytest.mark.parametrize(
    ("change", "location", "words"),
    [
        (lambda all_: all_[:4] + all_[5:], (5, 6), "entry 5 is missing"),
        (lambda all_: all_[:4] + all_[7:], (5, 8), "entries 5 to 7 are missing"),
        (lambda all_: all_[1:], (1, 2), "entry 1 is missing"),
        (lambda all_: [*all_[:5], all_[4], *all_[5:]], (6, 5), "entry 5 is here a second time"),
        (lambda all_: [*all_[:4], all_[5], all_[4], *all_[6:]], (5, 6), "entry 5 comes only in line 6"),
        (lambda all_: [*all_[:4], *all_[5:], all_[4]], (5, 6), f"entry 5 comes only in line {COUNT}"),
        (lambda all_: [*all_[:4], b"\n", *all_[4:]], (5, None), "entry 5 is expected here"),
        (lambda all_: [*all_[:4], b"[]\n", *all_[4:]], (5, None), "fields are missing or unknown"),
        (lambda all_: [*all_[:4], b"[" * 100_000 + b"\n", *all_[4:]], (5, None), "not JSON"),
        (lambda all_: [*all_[:4], b"\xff\n", *all_[4:]], (5, None), "not JSON"),
        (lambda all_: [*all_[:4], b" " * (MAX_LINE_BYTES + 1), *all_[4:]], (5, None), "longer than"),
        (lambda all_: [*all_[:4], all_[4].replace(b'"seq":5', b'"seq":5.0'), *all_[5:]], (5, None), "integers only"),
        (lambda all_: [*all_[:4], all_[4].replace(b'"off"', b'"\\ud800"'), *all_[5:]], (5, None), "reformatted"),
        (lambda all_: [*all_[:4], all_[4].replace(b'"off"', _deep(300)), *all_[5:]], (5, 5), "entry 5 was changed"),
        (lambda all_: [*all_[:4], all_[4].replace(b'"off"', _deep(100_000)), *all_[5:]], (5, None), "not JSON"),
        (lambda all_: [*all_[:4], all_[4].replace(b",", b", ", 1), *all_[5:]], (5, None), "reformatted"),
        (lambda all_: [*all_[:4], all_[4].replace(b"{", b'{"act":"x",', 1), *all_[5:]], (5, None), "reformatted"),
        (
            lambda all_: [*all_[:4], all_[4].replace(b"{", b'{"x":1,', 1), *all_[5:]],
            (5, None),
            "fields are missing or unknown",
        ),
        (lambda all_: [*all_[:4], all_[4].rstrip() + all_[5], *all_[6:]], (5, None), "not JSON"),
        (lambda all_: [*all_[:-1], all_[-1][:-20]], (COUNT, None), "not JSON"),
    ],
)
def test_the_first_bad_line_is_named(change: object, location: tuple[int, int | None], words: str) -> None:
    assert callable(change)
    report = verify(change(lines(record(COUNT))))
    assert _found(report) == location
    assert words in str(report.chain.fault)


def test_an_added_entry_with_a_correct_hash_is_found() -> None:
    intact = entries(COUNT)
    added = chained([*intact[:4], {**intact[4], "account": 9}])
    report = verify(lines(added) + lines(record(COUNT))[4:])
    assert _found(report) == (6, 5)


def test_only_checkpoints_find_a_rebuilt_audit_log_and_they_bracket_the_change() -> None:
    intact = record(COUNT)
    forged = lines(_rebuilt(intact, 6))
    assert verify(forged).sound
    report = verify(forged, held(intact, 2, 4, 8, 10))
    assert report.chain.fault is None
    assert report.held is not None
    assert not report.sound
    assert [found.statement.seq for found in (report.held.agreeing, report.held.disagreeing) if found] == [4, 8]
    assert "between checkpoint 2 (2026-03-02T10:00:04Z, entry 4) and checkpoint 3 (" in report.held.faults[0]
    assert "of the entries 5 to 8" in report.held.faults[0]


def test_a_change_before_the_first_checkpoint_is_reported_as_such() -> None:
    intact = record(COUNT)
    report = verify(lines(_rebuilt(intact, 2)), held(intact, 3, 9))
    assert report.held is not None
    assert report.held.agreeing is None
    assert "before the first checkpoint, checkpoint 1" in report.held.faults[0]


def test_a_restored_backup_is_named_if_it_explains_a_rebuilt_audit_log() -> None:
    intact = record(COUNT)
    restored = entries(COUNT)
    restored[5]["act"] = "installation.restore"
    report = verify(lines(chained(restored)), held(intact, 4, 8))
    assert report.held is not None
    assert "entry 6 records the restore of a backup" in report.held.faults[0]


def test_a_checkpoint_of_the_rebuilt_audit_log_hides_nothing_and_covers_nothing() -> None:
    intact = record(COUNT)
    rebuilt = _rebuilt(intact, 5)
    report = verify(lines(rebuilt), [*held(intact, 2, 4, 6, 8), *_later(held(rebuilt, 9, 11), 5)])
    assert report.held is not None
    assert [_seq(one) for one in (report.held.agreeing, report.held.disagreeing, report.held.later)] == [4, 6, 9]
    assert "between checkpoint 2 (2026-03-02T10:00:04Z, entry 4) and checkpoint 3 (" in report.held.faults[0]
    assert report.held.faults[0].endswith("entry 9) was made of the present audit log")
    assert report.uncovered == COUNT - 4


def test_a_second_checkpoint_of_the_same_entry_with_another_hash_is_reported_as_later() -> None:
    intact = record(COUNT)
    rebuilt = _rebuilt(intact, 5)
    report = verify(lines(rebuilt), [*held(intact, 2, 8), *held(rebuilt, 2, 8)])
    assert report.held is not None
    assert [_seq(one) for one in (report.held.agreeing, report.held.disagreeing, report.held.later)] == [2, 8, 8]


def test_a_restored_backup_is_named_after_a_new_checkpoint_too() -> None:
    intact = record(COUNT)
    restored = entries(COUNT)
    restored[5]["act"] = "installation.restore"
    now = chained(restored)
    report = verify(lines(now), [*held(intact, 4, 8), *_later(held(now, 10), 3)])
    assert report.held is not None
    assert "between checkpoint 1 (" in report.held.faults[0]
    assert "entry 6 records the restore of a backup; checkpoint 3 (" in report.held.faults[0]
    # The first start makes a checkpoint before there are as many entries as before the restore.
    soon = verify(lines(now), [*held(intact, 4, 8), *_later(held(now, 7), 2)]).held
    assert soon is not None
    assert [_seq(one) for one in (soon.agreeing, soon.disagreeing, soon.later)] == [4, 8, 7]
    assert "entry 6 records the restore of a backup" in soon.faults[0]
    later = entries(COUNT)
    later[9]["act"] = "installation.restore"
    elsewhere = verify(lines(chained(later)), held(_rebuilt(intact, 5), 4, 8)).held
    assert elsewhere is not None
    assert "restore" not in elsewhere.faults[0], "the restore came later than the change"


def test_entries_after_the_last_checkpoint_are_not_covered() -> None:
    intact = record(COUNT)
    report = verify(lines(intact), held(intact, 3, COUNT - 2))
    assert report.sound
    assert report.uncovered == 2
    # Without a checkpoint of them, even a rebuilt audit log passes.
    assert verify(lines(_rebuilt(intact, COUNT - 1)), held(intact, 3, COUNT - 2)).sound
    assert verify(lines(intact), held(intact, COUNT)).uncovered == 0


def test_a_checkpoint_finds_entries_cut_off_at_the_end() -> None:
    intact = record(COUNT)
    assert verify(lines(intact)[:8]).sound
    report = verify(lines(intact)[:8], held(intact, 3, 9, 11))
    assert report.held is not None
    assert (report.sound, report.held.beyond) == (False, 2)
    assert "the audit log ends with entry 8, but checkpoint 3" in report.held.faults[0]


def test_checkpoints_before_a_fault_of_the_chain_are_compared() -> None:
    intact = record(COUNT)
    broken = lines(_rebuilt(intact, 3))
    del broken[7]
    report = verify(broken, held(intact, 2, 5, 10))
    assert report.held is not None
    assert _found(report) == (8, 9)
    assert len(report.held.faults) == 1
    assert "of the entries 3 to 5" in report.held.faults[0]


def _forged(checkpoint: Checkpoint) -> Checkpoint:
    return replace(checkpoint, statement=replace(checkpoint.statement, hash="f" * 64))


def test_a_checkpoint_with_a_wrong_signature_is_refused_and_ignored() -> None:
    intact = record(COUNT)
    report = verify(lines(intact), [_forged(held(intact, 4)[0])])
    assert report.held is not None
    assert (report.held.agreeing, report.held.disagreeing) == (None, None)
    assert report.held.faults == ("checkpoint 1 (2026-03-02T10:00:04Z, entry 4): its key did not make the signature",)


def test_the_key_is_a_given_one_or_one_that_the_audit_log_names() -> None:
    intact = record(COUNT)
    ours, others = held(intact, 4), held(intact, 6, key=OTHER_KEY)
    assert verify(lines(intact), ours).sound
    assert verify(lines(intact), ours, {public_text(KEY)}).sound
    for report in (verify(lines(intact), ours + others), verify(lines(intact), ours + others, {public_text(KEY)})):
        assert report.held is not None
        assert len(report.held.faults) == 1
        assert public_text(OTHER_KEY) in report.held.faults[0]
    assert not verify(lines(intact), ours, {public_text(OTHER_KEY)}).sound
    assert verify(lines(intact), ours + others, {public_text(KEY), public_text(OTHER_KEY)}).sound


def test_a_checkpoint_of_another_installation_is_named() -> None:
    intact = record(COUNT)
    first, second = held(intact, 4, 6)
    foreign = replace(second.statement, installation="f" * 32).signed_by(KEY)
    report = verify(lines(intact), [first, foreign])
    assert report.held is not None
    assert "of another installation" in report.held.faults[0]
    alone = verify(lines(intact), [foreign])
    assert alone.held is not None
    assert "does not name its installation" in alone.held.faults[0]


def test_a_forged_checkpoint_does_not_hide_what_others_show() -> None:
    intact = record(COUNT)
    rebuilt = _rebuilt(intact, 6)
    mine = Statement(1, "f" * 32, 1, "0" * 64, "2026-03-02T10:00:00Z")
    for forged in (mine.signed_by(OTHER_KEY), replace(mine, installation=INSTALLATION).signed_by(OTHER_KEY)):
        held_ = verify(lines(rebuilt), [forged, *held(intact, 4, 8)]).held
        assert held_ is not None
        assert [_seq(one) for one in (held_.agreeing, held_.disagreeing)] == [4, 8]
        assert len(held_.faults) == 2
        assert not verify(lines(intact), [forged, *held(intact, 4, 8)]).sound


def test_an_audit_log_rebuilt_with_another_key_is_found_by_checkpoints_of_the_old_key() -> None:
    plain = entries(COUNT)
    plain[0]["after"] = {"key": public_text(OTHER_KEY), "installation": INSTALLATION}
    rebuilt = chained(plain)
    held_ = verify(lines(rebuilt), [*held(record(COUNT), 4, 8), *held(rebuilt, 10, key=OTHER_KEY)]).held
    assert held_ is not None
    assert [_seq(one) for one in (held_.agreeing, held_.disagreeing, held_.later)] == [None, 4, 10]
    assert "does not name its key" in held_.faults[0]
    assert "before the first checkpoint" in held_.faults[1]


@st.composite
def _mutations(draw: st.DrawFn) -> tuple[list[bytes], int]:
    """Draw an export with one mutation, and the number of the first bad line."""
    count = draw(st.integers(2, 20))
    intact = record(count)
    found = lines(intact)
    at = draw(st.integers(0, count - 1))
    match draw(st.sampled_from(["byte", "shorter", "field", "missing", "twice", "swapped"])):
        case "byte":
            line = bytearray(found[at].rstrip(b"\n"))
            location = draw(st.integers(0, len(line) - 1))
            line[location] = draw(st.integers(0, 255).filter(lambda value: value not in (line[location], 10)))
            found[at] = bytes(line) + b"\n"
        case "shorter":
            found[at] = found[at][: draw(st.integers(0, len(found[at]) - 2))] + b"\n"
        case "field":
            field = draw(st.sampled_from(sorted(intact[at].keys() - {"hash"})))
            was, values = (
                intact[at][field],
                st.none() | st.integers(-9, 99) | st.text(max_size=3) | st.just({"mode": ""}),
            )
            intact[at][field] = draw(values.filter(lambda value: value != was))
            found[at] = canonical(intact[at]) + b"\n"
        case "missing":
            # A hash chain without its last entry is valid: only checkpoints find that.
            at = min(at, count - 2)
            del found[at]
        case "twice":
            to = draw(st.integers(at + 1, count))
            found.insert(to, found[at])
            at = to
        case "swapped":
            other = draw(st.integers(0, count - 1).filter(lambda other: other != at))
            found[at], found[other] = found[other], found[at]
            at = min(at, other)
    return found, at + 1


@given(_mutations())
def test_any_single_mutation_is_found_at_its_line(mutated: tuple[list[bytes], int]) -> None:
    found, line = mutated
    report = verify(found)
    assert report.chain.fault is not None
    assert report.chain.fault.line == line


@given(st.integers(3, 20), st.data())
def test_the_checkpoints_around_any_change_are_named(count: int, data: st.DataObject) -> None:
    intact = record(count)
    edited = data.draw(st.integers(2, count))
    numbers = sorted(data.draw(st.sets(st.integers(1, count), min_size=1)))
    # Checkpoints of the rebuilt audit log.
    later = sorted(data.draw(st.sets(st.integers(edited, count), max_size=3)))
    rebuilt = _rebuilt(intact, edited)
    report = verify(lines(rebuilt), [*held(intact, *numbers), *_later(held(rebuilt, *later), len(numbers) + 1)])
    before = [seq for seq in numbers if seq < edited]
    after = [seq for seq in numbers if seq >= edited]
    assert report.held is not None
    assert report.sound == (not after)
    assert _seq(report.held.disagreeing) == (after[0] if after else None)
    agreeing = before if after else [*before, *later]
    assert _seq(report.held.agreeing) == max(agreeing, default=None)
    assert _seq(report.held.later) == (later[0] if after and later else None)


def test_text_that_disagrees_ends_what_signed_checkpoints_cover() -> None:
    made = record(COUNT)
    signed, good, bad = held(made, 4, 8), TextCheckpoint(3, 5, made[4]["hash"]), TextCheckpoint(4, 6, "0" * 64)
    report = verify(lines(made), signed, printed=[bad, good])
    assert report.held is not None
    assert (report.sound, report.held.agreeing, report.held.printed) == (False, signed[0], good)
    assert report.uncovered == COUNT - 5
    assert "checkpoint 4 as text says" in report.held.faults[0]
    agreeing = verify(lines(made), signed, printed=[good])
    assert (agreeing.sound, agreeing.uncovered) == (True, COUNT - 8)


def test_text_of_an_entry_after_a_fault_is_not_compared() -> None:
    made = record(COUNT)
    report = verify([*lines(made)[:3], b"{}\n"], [], printed=[TextCheckpoint(1, 5, "0" * 64)])
    assert report.held is not None
    assert (report.held.beyond, report.held.faults) == (1, ())
