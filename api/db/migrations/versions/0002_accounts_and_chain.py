"""Accounts with grants and tokens; the audit log as a hash chain; checkpoints; versions of the policy.

Older tokens are dropped: their hashes have no key. The next start writes a new one, and `dnsfilter-api new-token`
makes others.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from api.chain.entry_hash import GENESIS, entry_hash

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NO_CHANGE_SQLITE = """
CREATE TRIGGER audit_{verb} BEFORE {verb} ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
"""
# REPLACE INTO takes an entry's place without any trigger for DELETE: an entry is taken as the next one only.
_NEXT_ONLY_SQLITE = """
CREATE TRIGGER audit_INSERT BEFORE INSERT ON audit
WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit)
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
"""
_NO_CHANGE_POSTGRESQL = """
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
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

_OLD_AUDIT = sa.table(
    "audit",
    *(sa.column(name) for name in ("seq", "time_s", "act", "object", "revision")),
    *(sa.column(name, sa.JSON(none_as_null=True)) for name in ("before", "after")),
)
_AUDIT = sa.table(
    "audit",
    *(sa.column(name) for name in ("seq", "time_s", "act", "object", "revision")),
    *(sa.column(name, sa.JSON(none_as_null=True)) for name in ("before", "after")),
    *(sa.column(name) for name in ("account", "access", "request", "previous", "hash")),
    sa.column("authorities", sa.JSON()),
)


def upgrade() -> None:
    _accounts()
    _record()
    _audit()
    _exemptions()


def _accounts() -> None:
    op.drop_table("tokens")
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("authority", sa.String(length=63), nullable=True),
        sa.Column("created_s", sa.BigInteger(), nullable=False),
        sa.Column("disabled_s", sa.BigInteger(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["authority"], ["authorities.slug"], name=op.f("fk_accounts_authority_authorities")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "names",
        sa.Column("account", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("login", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name=op.f("fk_names_account_accounts")),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_names")),
        sa.UniqueConstraint("login", name=op.f("uq_names_login")),
    )
    op.create_table(
        "grants",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("authority", sa.String(length=63), nullable=True),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("end_s", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("recorded_s", sa.BigInteger(), nullable=False),
        sa.Column("recorded_by", sa.BigInteger(), nullable=False),
        sa.Column("ended_s", sa.BigInteger(), nullable=True),
        sa.Column("ended_reason", sa.String(length=1000), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name=op.f("fk_grants_account_accounts")),
        sa.ForeignKeyConstraint(["authority"], ["authorities.slug"], name=op.f("fk_grants_authority_authorities")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_grants")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_grants_account"), "grants", ["account"], unique=False)
    op.create_index(op.f("ix_grants_authority"), "grants", ["authority"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("public", sa.String(length=16), nullable=False),
        sa.Column("account", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("authorities", sa.JSON(), nullable=False),
        sa.Column("created_s", sa.BigInteger(), nullable=False),
        sa.Column("expires_s", sa.BigInteger(), nullable=True),
        sa.Column("revoked_s", sa.BigInteger(), nullable=True),
        sa.Column("used_day", sa.BigInteger(), nullable=True),
        sa.Column("made_with", sa.BigInteger(), nullable=True),
        sa.Column("made_by", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["accounts.id"], name=op.f("fk_tokens_account_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("public", name=op.f("uq_tokens_public")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_tokens_account"), "tokens", ["account"], unique=False)
    op.create_index(op.f("ix_tokens_made_with"), "tokens", ["made_with"], unique=False)
    op.create_table(
        "failed_tries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("token", sa.BigInteger(), nullable=True),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failed_tries")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_failed_tries_time_s"), "failed_tries", ["time_s"], unique=False)
    op.create_table(
        "spaces",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("prefix", sa.String(length=43), nullable=False),
        sa.Column("authority", sa.String(length=63), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["authority"], ["authorities.slug"], name=op.f("fk_spaces_authority_authorities")),
        sa.ForeignKeyConstraint(["site"], ["sites.slug"], name=op.f("fk_spaces_site_sites")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spaces")),
        sa.UniqueConstraint("site", "prefix", name=op.f("uq_spaces_site")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_spaces_authority"), "spaces", ["authority"], unique=False)


def _record() -> None:
    with op.batch_alter_table("installation") as table:
        table.add_column(sa.Column("identity", sa.String(length=32), nullable=False, server_default=""))
    op.execute(sa.text("UPDATE installation SET identity = :identity").bindparams(identity=uuid.uuid4().hex))
    with op.batch_alter_table("installation") as table:
        table.alter_column("identity", server_default=None)
    op.create_table(
        "checkpoints",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.Column("delivered", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_checkpoints")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "versions",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("revision", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("body", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("kind", "key", "revision", name=op.f("pk_versions")),
    )
    op.create_index(op.f("ix_versions_revision"), "versions", ["revision"], unique=False)
    op.create_table(
        "lists",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("service", sa.String(length=63), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_lists")),
    )
    op.create_table(
        "catalogues",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("lists", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_catalogues")),
    )
    op.create_table(
        "publications",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.Column("names", sa.String(length=64), nullable=False),
        sa.Column("ranges", sa.String(length=64), nullable=False),
        sa.Column("rules", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("catalogue", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publications")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_publications_catalogue"), "publications", ["catalogue"], unique=False)
    op.create_index(op.f("ix_publications_revision"), "publications", ["revision"], unique=False)
    op.create_table(
        "idempotency",
        sa.Column("account", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("path", sa.String(length=500), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("created_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "key", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_created_s"), "idempotency", ["created_s"], unique=False)


def _audit() -> None:
    """Make the existing entries the first ones of the hash chain. Their actors become the installation."""
    connection = op.get_bind()
    entries = connection.execute(sa.select(_OLD_AUDIT).order_by(_OLD_AUDIT.c.seq)).mappings().all()
    if connection.dialect.name == "postgresql":
        op.execute("DROP TRIGGER audit_append_only ON audit")
    op.drop_table("audit")
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.Column("account", sa.BigInteger(), nullable=False),
        sa.Column("access", sa.String(length=16), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("act", sa.String(length=64), nullable=False),
        sa.Column("object", sa.String(length=300), nullable=False),
        sa.Column("authorities", sa.JSON(), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("after", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_account"), "audit", ["account"], unique=False)
    op.create_index(op.f("ix_audit_act"), "audit", ["act"], unique=False)
    op.create_index(op.f("ix_audit_object"), "audit", ["object"], unique=False)
    op.create_index(op.f("ix_audit_revision"), "audit", ["revision"], unique=False)
    op.create_index(op.f("ix_audit_time_s"), "audit", ["time_s"], unique=False)
    op.create_table(
        "matters",
        sa.Column("authority", sa.String(length=63), nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("authority", "seq", name=op.f("pk_matters")),
    )
    previous = GENESIS
    for seq, entry in enumerate(entries, start=1):
        row = _chained(dict(entry), seq, previous)
        previous = row["hash"]
        connection.execute(sa.insert(_AUDIT), row)
    if connection.dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(_NO_CHANGE_SQLITE.format(verb=verb))
        op.execute(_NEXT_ONLY_SQLITE)
    else:
        op.execute(_NO_CHANGE_POSTGRESQL)
        op.execute(_NEXT_ONLY_FUNCTION)
        op.execute(_NEXT_ONLY_POSTGRESQL)


def _chained(entry: Mapping[str, Any], seq: int, previous: str) -> dict[str, Any]:
    row = {
        **{name: entry[name] for name in ("act", "object", "before", "after", "revision")},
        "seq": seq,
        "account": 0,
        "access": "local",
        "request": "",
        "authorities": [],
        "previous": previous,
    }
    time = datetime.fromtimestamp(entry["time_s"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {**row, "time_s": entry["time_s"], "hash": entry_hash({**row, "time": time})}


def _exemptions() -> None:
    """Replace the names of tokens that requested and decided: by the installation, an empty name by NULL."""
    with op.batch_alter_table("exemptions") as table:
        table.alter_column("decided_by", existing_type=sa.String(length=100), nullable=True)
    op.execute(
        "UPDATE exemptions SET requested_by = '0', decided_by = CASE WHEN decided_by = '' THEN NULL ELSE '0' END"
    )
    with op.batch_alter_table("exemptions") as table:
        for name, nullable in (("requested_by", False), ("decided_by", True)):
            table.alter_column(
                name,
                existing_type=sa.String(length=100),
                type_=sa.BigInteger(),
                nullable=nullable,
                postgresql_using=f"{name}::bigint",
            )
    op.create_table(
        "concerns",
        sa.Column("authority", sa.String(length=63), nullable=False),
        sa.Column("exemption", sa.Integer(), autoincrement=False, nullable=False),
        sa.ForeignKeyConstraint(["authority"], ["authorities.slug"], name=op.f("fk_concerns_authority_authorities")),
        sa.ForeignKeyConstraint(["exemption"], ["exemptions.number"], name=op.f("fk_concerns_exemption_exemptions")),
        sa.PrimaryKeyConstraint("authority", "exemption", name=op.f("pk_concerns")),
    )
    op.execute(
        "INSERT INTO concerns (authority, exemption) "
        "SELECT bans.authority, exemptions.number FROM exemptions JOIN bans ON bans.number = exemptions.ban"
    )
