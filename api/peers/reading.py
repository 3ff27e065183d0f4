"""Convert rows of peers to API answers."""

from api.chain.checkpoint import Statement
from api.db.base import Json
from api.db.models import HeldCheckpointRow, PeerRow
from api.peers.repository import Holding
from api.peers.schemas import HeldCheckpointRead, HoldingRead, PeerRead
from api.peers.state import peer_state
from api.timestamps import optional_text, timestamp_text


def statement_of(row: HeldCheckpointRow) -> Statement:
    """Return what a held checkpoint says."""
    return Statement(row.checkpoint, row.installation, row.seq, row.hash, row.time)


def read_holding(holding: Holding | None) -> HoldingRead:
    """Return what is held of a peer."""
    if holding is None:
        return HoldingRead(checkpoints=0, checkpoint=None, seq=None, hash=None, time=None, seen=None)
    last = holding.last
    return HoldingRead(
        checkpoints=holding.count,
        checkpoint=last.checkpoint,
        seq=last.seq,
        hash=last.hash,
        time=last.time,
        seen=timestamp_text(last.seen_s),
    )


def read_peer(row: PeerRow, holding: Holding | None) -> PeerRead:
    """Return a peer as the API shows it."""
    return PeerRead(
        **read_holding(holding).model_dump(),
        name=row.name,
        url=row.url,
        key=row.key,
        state=peer_state(row),
        next=None if row.ended_s is not None else timestamp_text(row.next_s),
        fetched=optional_text(row.fetched_s),
        good=optional_text(row.good_s),
        failures=row.failures,
        failure=row.failure,
        broken=row.broken,
        broken_since=optional_text(row.broken_s),
        ended=optional_text(row.ended_s),
    )


def archived_peer(row: PeerRow) -> Json:
    """Return a peer as the archive has it: nothing that changes with each fetch."""
    broken, ended = optional_text(row.broken_s), optional_text(row.ended_s)
    known = {"name": row.name, "url": row.url, "key": row.key, "recorded": timestamp_text(row.made_s)}
    return {**known, "broken": row.broken, "broken_since": broken, "ended": ended}


def archived_checkpoint(row: HeldCheckpointRow) -> Json:
    """Return a held checkpoint as the archive has it."""
    return {"peer": row.peer, **read_held(row).model_dump(mode="json")}


def read_held(row: HeldCheckpointRow) -> HeldCheckpointRead:
    """Return a held checkpoint as the API shows it."""
    return HeldCheckpointRead(
        checkpoint=row.checkpoint,
        installation=row.installation,
        seq=row.seq,
        hash=row.hash,
        time=row.time,
        key=row.key,
        signature=row.signature,
        seen=timestamp_text(row.seen_s),
        contradicts=row.contradicts,
    )
