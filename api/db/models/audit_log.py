"""The installation's revision, the audit log, its checkpoints, and what was in force when."""

from typing import Any

from sqlalchemy import ForeignKey, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base

INSTALLATION = 1
"""The key of the only row of `installation`."""


class InstallationRow(Base):
    """The only row of the table. Every writing transaction locks it first: acts are serialised, revisions only grow.

    `identity` names the installation in its checkpoints. It stays the same when a backup is restored elsewhere.
    `epoch` grows when acts may have been lost, so that nodes follow a lower revision: see `api.publish.epoch`.
    """

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    revision: Mapped[int]
    created_s: Mapped[int]
    identity: Mapped[str] = mapped_column(String(32))
    epoch: Mapped[int] = mapped_column(default=0)


class AuditRow(Base):
    """An entry of the audit log: one act. Rows are only added: triggers make the database refuse other changes.

    `account` 0 is the installation itself. `authorities` are those that the act concerns. If there are none, it
    concerns the installation. `token` is the number of the token that the account presented, None without one.
    `hash` covers all other columns and `previous`, the hash of the entry before.
    """

    __tablename__ = "audit"
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    time_s: Mapped[int] = mapped_column(index=True)
    account: Mapped[int] = mapped_column(index=True)
    access: Mapped[str] = mapped_column(String(16))
    token: Mapped[int | None]
    request: Mapped[str] = mapped_column(String(64))
    act: Mapped[str] = mapped_column(String(64), index=True)
    object: Mapped[str] = mapped_column(String(300), index=True)
    authorities: Mapped[list[str]]
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    revision: Mapped[int] = mapped_column(index=True)
    previous: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))


class MatterRow(Base):
    """An index row: entry `seq` of the audit log concerns `authority`. Rows are only added, as in `audit`.

    The entry itself is authoritative, because its hash covers its authorities. Checks compare this table with it.
    """

    __tablename__ = "matters"

    authority: Mapped[str] = mapped_column(String(63), primary_key=True)
    seq: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False, index=True)


class CheckpointRow(Base):
    """A signed statement that entry `seq` of the audit log has `hash`. `delivered` names destinations that have it."""

    __tablename__ = "checkpoints"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    seq: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))
    time_s: Mapped[int]
    key: Mapped[str] = mapped_column(String(64))
    signature: Mapped[str] = mapped_column(String(128))
    delivered: Mapped[list[str]]


class PeerRow(Base):
    """Another installation. `url` is its public register as JSON, `key` the public key of its checkpoints.

    `failures` counts fetches since the last good one, at `good_s`; `failure` is why the last one failed. `broken` says
    why a checkpoint, first seen at `broken_s`, does not continue the held ones.
    """

    __tablename__ = "peers"

    name: Mapped[str] = mapped_column(String(63), primary_key=True)
    url: Mapped[str] = mapped_column(String(500))
    key: Mapped[str] = mapped_column(String(64))
    made_s: Mapped[int]
    next_s: Mapped[int] = mapped_column(index=True)
    fetched_s: Mapped[int | None]
    good_s: Mapped[int | None]
    failures: Mapped[int] = mapped_column(default=0)
    failure: Mapped[str] = mapped_column(String(200), default="")
    broken: Mapped[str] = mapped_column(String(300), default="")
    broken_s: Mapped[int | None]
    ended_s: Mapped[int | None]
    revision: Mapped[int]


class HeldCheckpointRow(Base):
    """A checkpoint of another installation, as it was signed. Rows are added only.

    `contradicts` marks evidence: it does not continue the others.
    """

    __tablename__ = "held_checkpoints"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    peer: Mapped[str] = mapped_column(ForeignKey("peers.name"), index=True)
    checkpoint: Mapped[int]
    installation: Mapped[str] = mapped_column(String(32))
    seq: Mapped[int]
    hash: Mapped[str] = mapped_column(String(64))
    time: Mapped[str] = mapped_column(String(20))
    key: Mapped[str] = mapped_column(String(64))
    signature: Mapped[str] = mapped_column(String(128))
    seen_s: Mapped[int]
    contradicts: Mapped[bool]


class VersionRow(Base):
    """The content of an object of the policy from `revision` on. A `body` of None means that it was removed."""

    __tablename__ = "versions"

    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    key: Mapped[str] = mapped_column(String(127), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, index=True)
    body: Mapped[dict[str, Any] | None]


class ListRow(Base):
    """The names of a service, as compressed JSON, named by the SHA-256 of that JSON."""

    __tablename__ = "lists"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    service: Mapped[str] = mapped_column(String(127))
    body: Mapped[bytes] = mapped_column(LargeBinary)


class CatalogueRow(Base):
    """A complete catalogue: the digest of each service's list, named by the SHA-256 of this mapping as JSON."""

    __tablename__ = "catalogues"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    lists: Mapped[dict[str, str]]


class PublicationRow(Base):
    """A snapshot that came into force: revision, digests of its files, and the catalogue that it was made with.

    `made_s` is the instant for which it was compiled.
    """

    __tablename__ = "publications"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    revision: Mapped[int] = mapped_column(index=True)
    # No index: the last row of an instant is searched from the newest on, because clocks may go back.
    time_s: Mapped[int]
    made_s: Mapped[int]
    names: Mapped[str] = mapped_column(String(64))
    ranges: Mapped[str] = mapped_column(String(64))
    rules: Mapped[str] = mapped_column(String(64))
    version: Mapped[str] = mapped_column(String(40))
    catalogue: Mapped[str] = mapped_column(String(64), index=True)


class IdempotencyRow(Base):
    """The answer to an act that was sent with a key, kept for a day. A repeated request gets the same answer.

    A `body` of None means that the act was done but its answer was not kept.
    """

    __tablename__ = "idempotency"

    account: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    path: Mapped[str] = mapped_column(String(500))
    request: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    headers: Mapped[dict[str, str]]
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_s: Mapped[int] = mapped_column(index=True)
