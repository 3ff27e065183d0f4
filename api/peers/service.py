"""Acts on peers. They change no policy, so they make no revision."""

from api.chain.checkpoint import Checkpoint
from api.chain.continuity import break_of
from api.db.base import Json
from api.db.models import HeldCheckpointRow, PeerRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict
from api.peers import repository
from api.peers.reading import statement_of
from api.peers.schemas import PeerWrite

MAX_PEERS = 100


def put(unit: UnitOfWork, row: PeerRow | None, name: str, body: PeerWrite) -> PeerRow:
    """Hold the checkpoints of another installation. The first fetch follows at once.

    For a known one, replace URL and key, and begin again after it ended or broke. Raise `Conflict` for too many.
    """
    before = None if row is None else shown(row)
    if row is None:
        if len(repository.peers(unit.session)) >= MAX_PEERS:
            raise Conflict(f"There are {MAX_PEERS} peers already, the most that one installation can have.")
        row = PeerRow(name=name, made_s=unit.now_s, failures=0, failure="", broken="", revision=0)
        unit.session.add(row)
    row.url, row.key, row.ended_s = body.url, body.key, None
    row.broken, row.broken_s = "", None
    if before == shown(row):
        return row
    row.failures, row.failure = 0, ""
    row.next_s, row.revision = unit.now_s, unit.revision
    unit.session.flush()
    unit.note("peer.set", subject(row), before, shown(row))
    return row


def end(unit: UnitOfWork, row: PeerRow) -> None:
    """Fetch no further checkpoints of a peer. The held ones stay. Raise `Conflict` if it has ended."""
    if row.ended_s is not None:
        raise Conflict(f"{row.name} has ended already. To begin again: dnsfilterctl peer set {row.name}")
    before = shown(row)
    row.ended_s, row.revision = unit.now_s, unit.revision
    unit.note("peer.end", subject(row), before, shown(row))


def hold(unit: UnitOfWork, row: PeerRow, found: Checkpoint) -> None:
    """Keep a checkpoint that a peer shows, or note why it does not continue the held ones. Do nothing if it is held."""
    new = found.statement
    last = repository.last(unit.session, row.name)
    equal = repository.equal(unit.session, row.name, new.number, new.seq)
    broken = break_of(found, row.key, None if last is None else statement_of(last), list(map(statement_of, equal)))
    is_held = any((statement_of(each), each.signature) == (new, found.signature) for each in equal)
    if not is_held and (broken is None or broken.is_proof):
        unit.session.add(_held(unit, row, found, contradicts=broken is not None))
    if broken is not None and broken.reason != row.broken:
        before = shown(row)
        row.broken, row.broken_s = broken.reason, unit.now_s
        unit.note("peer.break", subject(row), before, shown(row))


def _held(unit: UnitOfWork, row: PeerRow, found: Checkpoint, *, contradicts: bool) -> HeldCheckpointRow:
    new = found.statement
    return HeldCheckpointRow(
        peer=row.name,
        checkpoint=new.number,
        installation=new.installation,
        seq=new.seq,
        hash=new.hash,
        time=new.time,
        key=found.key,
        signature=found.signature,
        seen_s=unit.now_s,
        contradicts=contradicts,
    )


def shown(row: PeerRow) -> Json:
    """Return a peer as the audit log stores it."""
    return {"url": row.url, "key": row.key, "broken": row.broken, "ended_s": row.ended_s}
