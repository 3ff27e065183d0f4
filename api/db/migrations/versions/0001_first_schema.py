"""The first schema."""

import uuid
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_APPEND_ONLY_SQLITE = """
CREATE TRIGGER {table}_{verb} BEFORE {verb} ON {table}
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
"""
# REPLACE INTO takes an entry's place without any trigger for DELETE: an entry is taken as the next one only.
_NEXT_ONLY_SQLITE = """
CREATE TRIGGER audit_INSERT BEFORE INSERT ON audit
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit)
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
"""
_APPEND_ONLY_FUNCTION = """
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$
"""
_APPEND_ONLY_POSTGRESQL = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only()
"""
_NEXT_ONLY_FUNCTION = """
CREATE FUNCTION audit_next_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
  IF NEW.seq IS DISTINCT FROM (SELECT coalesce(max(seq), 0) + 1 FROM audit) THEN
    RAISE EXCEPTION 'the audit is append-only';
  END IF;
  RETURN NEW;
END $$
"""
_NEXT_ONLY_POSTGRESQL = """
CREATE TRIGGER audit_next_only BEFORE INSERT ON audit
FOR EACH ROW EXECUTE FUNCTION audit_next_only()
"""


_BIG, _JSON, _ID = sa.BigInteger(), sa.JSON(), sa.Integer()


def upgrade() -> None:
    _installation()
    _audit_log()
    _publications()
    _authorities()
    _networks()
    _accounts()
    _passkeys()
    _services()
    _updates()
    _loaded_catalogues()
    _feeds()
    _peers()
    _bans()
    _prohibited_lists()
    _exemptions()
    _allowed_names()
    _fleet_names()
    _acts()
    _nodes()
    _messages()
    _coverage()
    _usage()
    _guard_the_audit_log()
    identity = sa.text(
        "INSERT INTO installation (id, revision, created_s, identity, epoch) VALUES (1, 0, 0, :identity, 0)"
    )
    op.execute(identity.bindparams(identity=uuid.uuid4().hex))
    op.execute("INSERT INTO sites (slug, name, revision) VALUES ('default', '', 0)")
    # Past policies are rebuilt from versions: the site has one from the start.
    body = '{"slug": "default", "name": "", "revision": 0}'
    op.execute(f"INSERT INTO versions (kind, key, revision, body) VALUES ('site', 'default', 0, '{body}')")


def _guard_the_audit_log() -> None:
    """Refuse changes of the audit log and of its index by authority."""
    if op.get_bind().dialect.name == "sqlite":
        for table in ("audit", "matters"):
            for verb in ("UPDATE", "DELETE"):
                op.execute(_APPEND_ONLY_SQLITE.format(table=table, verb=verb))
        op.execute(_NEXT_ONLY_SQLITE)
        return
    op.execute(_APPEND_ONLY_FUNCTION)
    for table in ("audit", "matters"):
        op.execute(_APPEND_ONLY_POSTGRESQL.format(table=table))
    op.execute(_NEXT_ONLY_FUNCTION)
    op.execute(_NEXT_ONLY_POSTGRESQL)


def _installation() -> None:
    op.create_table(
        "installation",
        _column("id", _ID, primary_key=True, autoincrement=False),
        *_texts(identity=32),
        *_columns(_BIG, "revision", "created_s", "epoch"),
    )
    op.create_table(
        "idempotency",
        _column("account", _BIG, primary_key=True, autoincrement=False),
        *_text_keys(key=200),
        *_texts(path=500, request=64),
        _column("status", _BIG),
        _column("headers", _JSON),
        _column("created_s", _BIG, index=True),
        _column("body", sa.LargeBinary(), nullable=True),
    )
    _numbered_table(
        "failed_tries",
        "id",
        *_texts(address=45, reason=16, request=64),
        _column("time_s", _BIG, index=True),
        _column("token", _BIG, nullable=True),
    )


def _audit_log() -> None:
    op.create_table(
        "audit",
        _column("seq", _ID, primary_key=True, autoincrement=False),
        _column("object", sa.String(300), index=True),
        _column("act", sa.String(64), index=True),
        *_texts(access=16, request=64, previous=64, hash=64),
        _column("authorities", _JSON),
        *_columns(_BIG, "time_s", "account", "revision", index=True),
        _column("token", _BIG, nullable=True),
        *_columns(_JSON, "before", "after", nullable=True),
    )
    op.create_table(
        "matters", *_text_keys(authority=63), _column("seq", _ID, primary_key=True, autoincrement=False, index=True)
    )
    _numbered_table(
        "checkpoints",
        "number",
        *_texts(hash=64, key=64, signature=128),
        *_columns(_BIG, "seq", "time_s"),
        _column("delivered", _JSON),
    )


def _publications() -> None:
    op.create_table("catalogues", *_text_keys(digest=64), _column("lists", _JSON))
    op.create_table("lists", *_text_keys(digest=64), *_texts(service=127), _column("body", sa.LargeBinary()))
    _numbered_table(
        "publications",
        "id",
        _column("catalogue", sa.String(64), index=True),
        *_texts(names=64, ranges=64, rules=64, version=40),
        *_columns(_BIG, "time_s", "made_s"),
        _column("revision", _BIG, index=True),
    )
    op.create_table(
        "versions",
        *_text_keys(kind=16, key=127),
        _column("revision", _BIG, primary_key=True, autoincrement=False, index=True),
        _column("body", _JSON, nullable=True),
    )


def _authorities() -> None:
    op.create_table(
        "authorities",
        *_text_keys(slug=63),
        _column("successor", sa.String(63), nullable=True),
        *_texts(kind=32, time_zone=64, contact=200, usage=16, display_group=100, closed_reason=1000),
        *_texts(filtering_database=63),
        _column("revision", _BIG),
        *_columns(sa.Boolean(), "public_register", "off_needs_reason", "off_needs_approver"),
        *_columns(_JSON, "names", "languages", "closed_decision", "client_basis"),
        *_columns(_BIG, "closes_s", "client_since_s", "client_until_s", nullable=True),
    )
    op.create_table("sites", *_text_keys(slug=63), *_texts(name=200), _column("revision", _BIG))


def _networks() -> None:
    _numbered_table(
        "ranges",
        "id",
        _column("site", sa.String(63), sa.ForeignKey("sites.slug")),
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), index=True),
        *_texts(prefix=43, label=200, funding=16, audience=16),
        _column("revision", _BIG),
        sa.UniqueConstraint("site", "prefix"),
    )
    _numbered_table(
        "spaces",
        "id",
        _column("site", sa.String(63), sa.ForeignKey("sites.slug")),
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), index=True),
        *_texts(prefix=43),
        _column("revision", _BIG),
        sa.UniqueConstraint("site", "prefix"),
    )


def _accounts() -> None:
    _numbered_table(
        "accounts",
        "id",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), nullable=True),
        *_texts(kind=16),
        *_columns(_BIG, "created_s", "revision"),
        _column("disabled_s", _BIG, nullable=True),
    )
    op.create_table(
        "names",
        _column("account", _ID, sa.ForeignKey("accounts.id"), primary_key=True, autoincrement=False),
        _column("login", sa.String(63), unique=True),
        *_texts(name=200),
    )
    _numbered_table(
        "grants",
        "number",
        _column("account", _ID, sa.ForeignKey("accounts.id"), index=True),
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), nullable=True, index=True),
        *_texts(role=16, reason=1000, ended_reason=1000),
        *_columns(_BIG, "start_s", "recorded_s", "recorded_by", "revision"),
        *_columns(_BIG, "end_s", "ended_s", nullable=True),
    )
    _numbered_table(
        "tokens",
        "id",
        _column("account", _ID, sa.ForeignKey("accounts.id"), index=True),
        _column("public", sa.String(16), unique=True),
        *_texts(label=200, digest=64),
        *_columns(_BIG, "created_s", "made_by"),
        *_columns(_JSON, "roles", "authorities"),
        *_columns(_BIG, "expires_s", "revoked_s", "used_day", "proven_s", nullable=True),
        *_columns(_BIG, "made_with", "passkey", nullable=True, index=True),
        _column("session", sa.Boolean()),
    )
    op.create_table(
        "sign_in_links",
        *_text_keys(digest=64),
        _column("account", _ID, sa.ForeignKey("accounts.id"), index=True),
        *_columns(_BIG, "made_with", "made_by", "expires_s"),
    )


def _passkeys() -> None:
    _numbered_table(
        "passkeys",
        "number",
        _column("account", _ID, sa.ForeignKey("accounts.id"), index=True),
        _column("credential", sa.String(1400), unique=True),
        *_texts(label=200, public_key=4000, seal=64),
        *_columns(_BIG, "uses", "created_s"),
        _column("used_day", _BIG, nullable=True),
        _column("made_with", _BIG, index=True),
    )
    op.create_table("used_challenges", *_text_keys(digest=64), _column("expires_s", _BIG))


def _services() -> None:
    op.create_table(
        "services",
        *_text_keys(slug=127),
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), nullable=True, index=True),
        *_texts(name=200, category=32, source=500, note=1000),
        _column("digest", sa.String(64), sa.ForeignKey("lists.digest")),
        _column("revision", _BIG),
    )


def _updates() -> None:
    _numbered_table(
        "updates",
        "number",
        _column("service", sa.String(127), index=True),
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), nullable=True, index=True),
        _column("digest", sa.String(64), sa.ForeignKey("lists.digest")),
        _column("base", sa.String(64), sa.ForeignKey("lists.digest")),
        _column("outcome", sa.String(16), index=True),
        *_texts(source=16, note=1000),
        _column("reasons", _JSON),
        *_columns(_BIG, "added", "removed", "pending", "proposed_s", "proposed_by", "revision"),
        _column("enforced_from_s", _BIG, nullable=True, index=True),
        *_columns(_BIG, "decided_s", "decided_by", nullable=True),
    )
    op.create_table(
        "objections",
        *_text_keys(service=127, name=253),
        *_texts(reason=1000),
        *_columns(_BIG, "recorded_s", "recorded_by"),
    )


def _loaded_catalogues() -> None:
    op.create_table(
        "loaded_catalogues",
        _column("number", _ID, primary_key=True, autoincrement=False),
        *_texts(made=10, sha256=64, key=64),
        *_columns(_BIG, "loaded_s", "loaded_by", "revision"),
    )


def _feeds() -> None:
    op.create_table(
        "feeds",
        _column("service", sa.String(127), sa.ForeignKey("services.slug"), primary_key=True),
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), index=True),
        *_texts(source=500, format=16, etag=200, modified=200, failure=32, message=500),
        _column("exact", sa.Boolean(), nullable=True),
        _column("next_s", _BIG, index=True),
        *_columns(_BIG, "every_s", "made_s", "names", "skipped", "failures", "revision"),
        *_columns(_BIG, "fetched_s", "good_s", "failing_since_s", "last_update", nullable=True),
    )


def _peers() -> None:
    op.create_table(
        "peers",
        *_text_keys(name=63),
        *_texts(url=500, key=64, failure=200, broken=300),
        _column("next_s", _BIG, index=True),
        *_columns(_BIG, "made_s", "failures", "revision"),
        *_columns(_BIG, "fetched_s", "good_s", "broken_s", "ended_s", nullable=True),
    )
    _numbered_table(
        "held_checkpoints",
        "number",
        _column("peer", sa.String(63), sa.ForeignKey("peers.name"), index=True),
        *_texts(installation=32, hash=64, time=20, key=64, signature=128),
        *_columns(_BIG, "checkpoint", "seq", "seen_s"),
        _column("contradicts", sa.Boolean()),
    )


def _bans() -> None:
    _numbered_table(
        "bans",
        "number",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug")),
        _column("returns_to", sa.String(16), nullable=True),
        _column("service", sa.String(253), index=True),
        *_texts(mode=16, mode_reason=1000, reply=16),
        _column("revision", _BIG),
        _column("provisional", sa.Boolean()),
        *_columns(_JSON, "addresses", "tiers", "funding", "audience", "decision"),
        *_columns(_BIG, "mode_set_s", "mode_set_by", "off_until_s", "superseded_by", "list_version", nullable=True),
        _column("prohibited_list", sa.String(127), nullable=True, index=True),
        sa.UniqueConstraint("authority", "service"),
    )
    _numbered_table(
        "terms",
        "id",
        _column("ban", _ID, sa.ForeignKey("bans.number"), index=True),
        _column("merged_from", sa.String(63), nullable=True),
        *_texts(ended_reason=1000),
        *_columns(_BIG, "start_s", "recorded_s"),
        *_columns(_JSON, "decision", "ended_decision"),
        *_columns(_BIG, "end_s", "review_by_s", "ended_s", nullable=True),
    )
    _numbered_table(
        "bindings",
        "number",
        _column("ban", _ID, sa.ForeignKey("bans.number"), index=True),
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), index=True),
        *_texts(ground=16, instrument=500, date=10, ended_by=16, ended_reason=1000, ended_reference=500),
        *_columns(_BIG, "start_s", "recorded_s", "revision"),
        _column("superseded_by", _JSON),
        *_columns(_BIG, "end_s", "accepted_s", "ended_s", nullable=True),
        _column("link", _BIG, nullable=True, index=True),
        _column("new_names_at_once", sa.Boolean()),
    )


def _prohibited_lists() -> None:
    _numbered_table(
        "prohibited_lists",
        "number",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug")),
        *_texts(slug=63, title=200),
        _column("category", sa.String(32), nullable=True),
        *_columns(_JSON, "draft", "declined", "formerly"),
        _column("revision", _BIG),
        sa.UniqueConstraint("authority", "slug"),
    )
    _numbered_table(
        "list_versions",
        "id",
        _column("list_number", _ID, sa.ForeignKey("prohibited_lists.number")),
        *_columns(_BIG, "version", "recorded_s"),
        *_columns(_JSON, "decision", "adds", "removes", "terms", "scope"),
        sa.UniqueConstraint("list_number", "version"),
    )
    _numbered_table(
        "list_links",
        "number",
        _column("list_number", _ID, sa.ForeignKey("prohibited_lists.number"), index=True),
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), index=True),
        *_texts(ground=16, instrument=500, date=10, ended_by=16, ended_reason=1000, ended_reference=500),
        *_columns(_BIG, "start_s", "recorded_s", "revision"),
        *_columns(_BIG, "end_s", "ended_s", nullable=True),
        _column("new_names_at_once", sa.Boolean()),
    )


def _exemptions() -> None:
    _numbered_table(
        "exemptions",
        "number",
        _column("ban", _ID, sa.ForeignKey("bans.number"), index=True),
        _column("site", sa.String(63), sa.ForeignKey("sites.slug")),
        *_texts(time_zone=64, reason=1000, note=1000),
        *_columns(_BIG, "start_s", "end_s", "requested_s", "requested_by", "revision"),
        *_columns(_JSON, "ranges", "hours", "superseded_by"),
        *_columns(_BIG, "approved_s", "rejected_s", "revoked_s", "decided_by", nullable=True),
    )
    op.create_table(
        "concerns",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), primary_key=True),
        _column("exemption", _ID, sa.ForeignKey("exemptions.number"), primary_key=True, autoincrement=False),
    )


def _allowed_names() -> None:
    _numbered_table(
        "allowed_names",
        "number",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), index=True),
        *_texts(name=253, reason=1000, ended_reason=1000),
        _column("exact", sa.Boolean()),
        *_columns(_BIG, "start_s", "recorded_s", "recorded_by", "revision"),
        *_columns(_BIG, "end_s", "review_by_s", "ended_s", "ended_by", "superseded_by", nullable=True),
    )


def _fleet_names() -> None:
    _numbered_table(
        "fleet_names",
        "number",
        _column("site", sa.String(63)),
        _column("prefix", sa.String(43), index=True),
        _column("token", sa.String(63), unique=True),
        *_columns(_BIG, "start_s", "recorded_by", "revision"),
        _column("end_s", _BIG, nullable=True),
    )


def _acts() -> None:
    _numbered_table(
        "suspensions",
        "number",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), nullable=True, index=True),
        *_texts(reason=1000, ended_reason=1000),
        *_columns(_BIG, "start_s", "recorded_by", "revision"),
        _column("end_s", _BIG, index=True),
        *_columns(_BIG, "ended_s", "ended_by", nullable=True),
    )
    _numbered_table(
        "requests",
        "number",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), index=True),
        _column("object", sa.String(300), index=True),
        *_texts(operation=63, media_type=100, reason=1000, note=1000),
        *_columns(_BIG, "act_count", "requested_s", "requested_by", "revision"),
        *_columns(_JSON, "path", "acts", "lifts"),
        *_columns(sa.Text(), "query", "body"),
        *_columns(_BIG, "lapses_s", "approved_s", "rejected_s", "withdrawn_s", "decided_by", nullable=True),
    )


def _nodes() -> None:
    _numbered_table(
        "nodes",
        "number",
        _column("site", sa.String(63), sa.ForeignKey("sites.slug")),
        *_columns(sa.String(12), "enrolment_public", "public", nullable=True, unique=True),
        _column("name", sa.String(63), unique=True),
        *_texts(enrolment_digest=64, digest=64),
        *_columns(_BIG, "registered_s", "revision"),
        _column("report", _JSON),
        *_columns(_BIG, "removed_s", "enrolment_until_s", "enrolled_s", "seen_s", nullable=True),
    )
    _numbered_table(
        "captures",
        "number",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), index=True),
        *_texts(site=63, prefix=43, reason=1000, ended_reason=1000),
        *_columns(_BIG, "start_s", "recorded_by"),
        _column("end_s", _BIG, index=True),
        *_columns(_BIG, "ended_s", "ended_by", "deleted_s", nullable=True),
    )


def _messages() -> None:
    _numbered_table(
        "notices",
        "number",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), nullable=True, index=True),
        _column("key", sa.String(200), unique=True),
        *_texts(kind=32, failure=200),
        _column("made_s", _BIG),
        _column("tries", _ID),
        _column("facts", _JSON),
        _column("sent_s", _BIG, nullable=True),
        _column("next_try_s", _BIG, nullable=True, index=True),
    )
    _numbered_table(
        "webhooks",
        "number",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), nullable=True, index=True),
        *_texts(url=500, nonce=32),
        *_columns(_BIG, "made_s", "revision"),
        _column("types", _JSON),
    )
    op.create_table(
        "event_cursors",
        *_text_keys(receiver=32),
        *_columns(_BIG, "seq", "notice", "parked"),
        _column("parked_last", _JSON),
    )


def _coverage() -> None:
    op.create_table(
        "coverage",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), primary_key=True),
        *_text_keys(site=63, prefix=43),
        _column("last_asked_s", _BIG),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "coverage_days",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), primary_key=True),
        *_text_keys(site=63, prefix=43),
        _column("day_s", _BIG, primary_key=True, autoincrement=False, index=True),
        _column("hours", _JSON),
        sqlite_with_rowid=False,
    )


def _usage() -> None:
    op.create_table(
        "usage_streams",
        _column("node", _ID, sa.ForeignKey("nodes.number", ondelete="CASCADE"), primary_key=True),
        *_text_keys(stream=32),
        *_columns(_BIG, "sequence", "taken_s", "items"),
    )
    op.create_table(
        "usage_days",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), primary_key=True),
        *_text_keys(day=10, service=253, ban_authority=63, ground=16, result=16),
        _column("queries", _BIG),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_usage_days_ban_authority", "usage_days", ["ban_authority", "service", "day"])
    op.create_table(
        "usage_hours",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), primary_key=True),
        _column("hour_s", _BIG, primary_key=True, autoincrement=False, index=True),
        *_text_keys(site=63, prefix=43, service=253, ban_authority=63, ground=16, result=16),
        _column("queries", _BIG),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_usage_hours_range",
        "usage_hours",
        ["authority", "site", "prefix", "service", "ban_authority", "ground", "result", "hour_s", "queries"],
    )
    op.create_table(
        "usage_clients",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), primary_key=True),
        _column("minute_s", _BIG, primary_key=True, autoincrement=False, index=True),
        *_text_keys(service=253, ban_authority=63, ground=16, client=16),
        _column("queries", _BIG),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "bypass_days",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), primary_key=True),
        *_text_keys(day=10, kind=32),
        _column("queries", _BIG),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "pending_days",
        _column("authority", sa.String(63), sa.ForeignKey("authorities.slug"), primary_key=True),
        *_text_keys(day=10, service=253, name=253),
        _column("queries", _BIG),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_pending_days_service", "pending_days", ["service", "day"])


def _numbered_table(table: str, number: str, *columns: sa.Column[Any] | sa.UniqueConstraint) -> None:
    """Create a table whose rows have numbers that are never used again."""
    op.create_table(table, _column(number, _ID, primary_key=True), *columns, sqlite_autoincrement=True)


def _text_keys(**lengths: int) -> list[sa.Column[Any]]:
    """Return text columns of the primary key, by name, with their lengths."""
    return [_column(name, sa.String(length), primary_key=True) for name, length in lengths.items()]


def _texts(**lengths: int) -> list[sa.Column[Any]]:
    """Return text columns that are NOT NULL, by name, with their lengths."""
    return [_column(name, sa.String(length)) for name, length in lengths.items()]


def _columns(
    kind: sa.types.TypeEngine[Any], *names: str, nullable: bool = False, **options: Any
) -> list[sa.Column[Any]]:
    """Return equal columns of these names."""
    return [_column(name, kind, nullable=nullable, **options) for name in names]


def _column(
    name: str, kind: sa.types.TypeEngine[Any], *constraints: sa.ForeignKey, nullable: bool = False, **options: Any
) -> sa.Column[Any]:
    """Return a column that is NOT NULL unless `nullable` is set."""
    return sa.Column(name, kind, *constraints, nullable=nullable, **options)
