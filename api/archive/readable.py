"""Write the archive: decisions, acts and reports, for readers without this program and its database.

The same state of the database gives the same file, byte for byte. The archive omits what depends on the time of
reading, such as whether a ban is in force.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.archive import readable_texts
from api.archive.zipping import Written, ZipWriter
from api.audit.service import checkpoint_of
from api.authorities.service import shown as shown_authority
from api.chain.entry_hash import canonical
from api.db.base import Base, Json
from api.db.models import (
    AccountRow,
    AllowedNameRow,
    AuditRow,
    AuthorityRow,
    CheckpointRow,
    HeldCheckpointRow,
    InstallationRow,
    ListLinkRow,
    NameRow,
    PeerRow,
    ProhibitedListRow,
    SuspensionRow,
)
from api.db.models.audit_log import INSTALLATION
from api.db.unit_of_work import entry_of, head
from api.lists.reading import archived_list, shown_link
from api.names.reading import shown as shown_name
from api.peers.reading import archived_checkpoint, archived_peer
from api.report.dossier import BATCH, Dossier, acts_of, dossiers
from api.report.kept_usage import kept_usage
from api.services.reading import archived_own
from api.services.repository import own_services
from api.suspensions.service import shown as shown_suspension
from api.timestamps import optional_text, timestamp_text
from api.usage.release import last_shown_day

FORMAT = 1
_MODE = 0o644

Row = TypeVar("Row", bound=Base)


def archive(session: Session, file: BinaryIO, *, names: bool) -> None:
    """Write the archive. With `names`, accounts.json also has the names of accounts."""
    found, written = _Found(session), dict[str, Written]()
    with ZipWriter(file, _MODE) as made:

        def add(name: str, parts: Iterable[str]) -> None:
            written[name] = made.add(name, map(str.encode, parts))

        add("README.txt", (_packaged("README.txt"),))
        add("check.py", (_packaged("check.py"),))
        for name, objects in found.collections(names=names).items():
            add(name, _json_list(objects))
        texts = readable_texts.decisions(found.dossiers), readable_texts.lists(found.lists, found.links)
        add("decisions/decisions.txt", chain(*texts, readable_texts.services(found.services)))
        for ban in found.dossiers:
            add(f"reports/{ban.name}.json", (_json(found.report(ban)), "\n"))
            add(f"reports/{ban.name}.txt", readable_texts.report(ban, found.usage_of(ban), found.acts_of(ban)))
        add("acts/acts.jsonl", (canonical(entry).decode() + "\n" for entry in found.entries()))
        add("acts/acts.txt", chain.from_iterable(map(readable_texts.act, found.entries())))
        add("checkpoints/checkpoints.jsonl", (f"{line}\n" for line in found.checkpoints()))
        add("checkpoints/held.jsonl", (canonical(each).decode() + "\n" for each in found.held()))
        manifest = {"format": FORMAT, **found.origin(), "files": {name: _digest(written[name]) for name in written}}
        add("manifest.json", (_json(manifest), "\n"))
        add("SHA256SUMS", [f"{written[name].sha256}  {name}\n" for name in sorted(written)])


@dataclass
class _Found:
    """The content of the archive, as of one state of the database."""

    session: Session

    @cached_property
    def dossiers(self) -> Sequence[Dossier]:
        """Return every ban with its bindings and exemptions, by number."""
        return dossiers(self.session)

    @property
    def lists(self) -> Iterator[Json]:
        """Return every prohibited list with its versions, by number."""
        return map(archived_list, self._rows(ProhibitedListRow, ProhibitedListRow.number))

    @property
    def links(self) -> Iterator[Json]:
        """Return every link of a prohibited list to an authority, by number."""
        return (shown_link(self.session, row) for row in self._rows(ListLinkRow, ListLinkRow.number))

    @property
    def services(self) -> Iterator[Json]:
        """Return every own service of an authority with its names, by slug."""
        return map(archived_own, own_services(self.session))

    def collections(self, *, names: bool) -> dict[str, Iterable[Json]]:
        """Return the files that are lists of objects."""
        return {
            "decisions/authorities.json": map(shown_authority, self._rows(AuthorityRow, AuthorityRow.slug)),
            "decisions/bans.json": (ban.ban for ban in self.dossiers),
            "decisions/bindings.json": (binding for ban in self.dossiers for binding in ban.bindings),
            "decisions/exemptions.json": (exemption for ban in self.dossiers for exemption in ban.exemptions),
            "decisions/allowed-names.json": map(shown_name, self._rows(AllowedNameRow, AllowedNameRow.number)),
            "decisions/list-links.json": self.links,
            "decisions/prohibited-lists.json": self.lists,
            "decisions/services.json": self.services,
            "checkpoints/peers.json": map(archived_peer, self._rows(PeerRow, PeerRow.name)),
            "decisions/suspensions.json": map(shown_suspension, self._rows(SuspensionRow, SuspensionRow.number)),
            "accounts.json": self._accounts(names=names),
        }

    def entries(self) -> Iterator[Json]:
        """Return every entry of the audit log, in order."""
        statement = select(AuditRow).order_by(AuditRow.seq).execution_options(yield_per=BATCH)
        return map(entry_of, self.session.scalars(statement))

    def acts_of(self, ban: Dossier) -> Iterator[Json]:
        """Return the entries on a ban, its bindings and its exemptions, in order."""
        return map(entry_of, acts_of(self.session, ban))

    def usage_of(self, ban: Dossier) -> list[Json]:
        """Return what is kept of the usage of a ban, by authority and month: days that were over at the last act."""
        last = last_shown_day(self._last_act_s, ban.authority["time_zone"])
        kept = kept_usage(self.session, ban.ban["authority"], ban.ban["service"], last)
        return [found.model_dump(mode="json") for found in kept]

    def report(self, ban: Dossier) -> Json:
        """Return the history of a ban. `acts` are the numbers of the entries on it."""
        life = [{"time": at, "event": what} for at, what in ban.life]
        acts = [entry["seq"] for entry in self.acts_of(ban)]
        parts = {"ban": ban.ban, "bindings": ban.bindings, "exemptions": ban.exemptions}
        return {**parts, "life": life, "use": self.usage_of(ban), "acts": acts}

    def checkpoints(self) -> Iterator[str]:
        """Return every checkpoint as one line of JSON."""
        identity = self._installation.identity
        rows = self._rows(CheckpointRow, CheckpointRow.number)
        return (checkpoint_of(row, identity).line for row in rows)

    def held(self) -> Iterator[Json]:
        """Return every checkpoint that is held of another installation, by peer, in the order in which they came."""
        row = HeldCheckpointRow
        statement = select(row).order_by(row.peer, row.number).execution_options(yield_per=BATCH)
        return map(archived_checkpoint, self.session.scalars(statement))

    def origin(self) -> Json:
        """Return the installation, its revision, and the last entry of its audit log."""
        seq, digest = head(self.session)
        row = self._installation
        return {"installation": row.identity, "revision": row.revision, "audit": {"seq": seq, "hash": digest}}

    def _accounts(self, *, names: bool) -> Iterator[Json]:
        called = {row.account: row for row in self._rows(NameRow, NameRow.account)} if names else {}
        for row in self._rows(AccountRow, AccountRow.id):
            account: Json = {"number": row.id, "kind": row.kind, "authority": row.authority}
            account |= {"recorded": timestamp_text(row.created_s), "disabled": optional_text(row.disabled_s)}
            name = called.get(row.id)
            yield account if name is None else {**account, "login": name.login, "name": name.name}

    @cached_property
    def _last_act_s(self) -> int:
        return self.session.scalar(select(AuditRow.time_s).order_by(AuditRow.seq.desc()).limit(1)) or 0

    @property
    def _installation(self) -> InstallationRow:
        return self.session.get_one(InstallationRow, INSTALLATION)

    def _rows(self, kind: type[Row], key: Any) -> Sequence[Row]:
        return self.session.scalars(select(kind).order_by(key)).all()


def _json_list(objects: Iterable[Json]) -> Iterator[str]:
    """Return a JSON array, one object at a time."""
    opening = "[\n"
    for item in objects:
        yield opening + _json(item)
        opening = ",\n"
    yield "[]\n" if opening == "[\n" else "\n]\n"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False)


def _digest(written: Written) -> Json:
    return {"sha256": written.sha256, "bytes": written.size}


def _packaged(name: str) -> str:
    return (Path(__file__).parent / "packaged" / name).read_text(encoding="utf-8")
