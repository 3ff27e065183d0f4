"""The first schema: policy, installation, tokens, audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NO_CHANGE_SQLITE = """
CREATE TRIGGER audit_{verb} BEFORE {verb} ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
"""
_NO_CHANGE_FUNCTION = """
CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit is append-only'; END $$
"""
_NO_CHANGE_POSTGRESQL = """
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION audit_append_only()
"""


def upgrade() -> None:
    _create_tables()
    op.execute("INSERT INTO installation (id, revision, created_s) VALUES (1, 0, 0)")
    op.execute("INSERT INTO sites (slug, name, revision) VALUES ('default', '', 0)")
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(_NO_CHANGE_SQLITE.format(verb=verb))
    else:
        op.execute(_NO_CHANGE_FUNCTION)
        op.execute(_NO_CHANGE_POSTGRESQL)


def _create_tables() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("time_s", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=100), nullable=False),
        sa.Column("act", sa.String(length=64), nullable=False),
        sa.Column("object", sa.String(length=300), nullable=False),
        sa.Column("before", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("after", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_act"), "audit", ["act"], unique=False)
    op.create_index(op.f("ix_audit_object"), "audit", ["object"], unique=False)
    op.create_table(
        "authorities",
        sa.Column("slug", sa.String(length=63), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("names", sa.JSON(), nullable=False),
        sa.Column("languages", sa.JSON(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("contact", sa.String(length=200), nullable=False),
        sa.Column("usage", sa.String(length=16), nullable=False),
        sa.Column("display_group", sa.String(length=100), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_authorities")),
    )
    op.create_table(
        "installation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
    )
    op.create_table(
        "sites",
        sa.Column("slug", sa.String(length=63), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_sites")),
    )
    op.create_table(
        "tokens",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("created_s", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tokens")),
    )
    op.create_table(
        "bans",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("authority", sa.String(length=63), nullable=False),
        sa.Column("service", sa.String(length=63), nullable=False),
        sa.Column("mode", sa.String(length=16), nullable=False),
        sa.Column("reply", sa.String(length=16), nullable=False),
        sa.Column("addresses", sa.JSON(), nullable=False),
        sa.Column("tiers", sa.JSON(), nullable=False),
        sa.Column("funding", sa.JSON(), nullable=False),
        sa.Column("audience", sa.JSON(), nullable=False),
        sa.Column("provisional", sa.Boolean(), nullable=False),
        sa.Column("decision", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["authority"], ["authorities.slug"], name=op.f("fk_bans_authority_authorities")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_bans")),
        sa.UniqueConstraint("authority", "service", name=op.f("uq_bans_authority")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_bans_service"), "bans", ["service"], unique=False)
    op.create_table(
        "ranges",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("prefix", sa.String(length=43), nullable=False),
        sa.Column("authority", sa.String(length=63), nullable=False),
        sa.Column("label", sa.String(length=200), nullable=False),
        sa.Column("funding", sa.String(length=16), nullable=False),
        sa.Column("audience", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["authority"], ["authorities.slug"], name=op.f("fk_ranges_authority_authorities")),
        sa.ForeignKeyConstraint(["site"], ["sites.slug"], name=op.f("fk_ranges_site_sites")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ranges")),
        sa.UniqueConstraint("site", "prefix", name=op.f("uq_ranges_site")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_ranges_authority"), "ranges", ["authority"], unique=False)
    op.create_table(
        "bindings",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("ban", sa.Integer(), nullable=False),
        sa.Column("authority", sa.String(length=63), nullable=False),
        sa.Column("ground", sa.String(length=16), nullable=False),
        sa.Column("instrument", sa.String(length=500), nullable=False),
        sa.Column("date", sa.String(length=10), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("end_s", sa.BigInteger(), nullable=True),
        sa.Column("recorded_s", sa.BigInteger(), nullable=False),
        sa.Column("accepted_s", sa.BigInteger(), nullable=True),
        sa.Column("ended_s", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.String(length=16), nullable=False),
        sa.Column("ended_reason", sa.String(length=1000), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["authority"], ["authorities.slug"], name=op.f("fk_bindings_authority_authorities")),
        sa.ForeignKeyConstraint(["ban"], ["bans.number"], name=op.f("fk_bindings_ban_bans")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_bindings")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_bindings_authority"), "bindings", ["authority"], unique=False)
    op.create_index(op.f("ix_bindings_ban"), "bindings", ["ban"], unique=False)
    op.create_table(
        "exemptions",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("ban", sa.Integer(), nullable=False),
        sa.Column("site", sa.String(length=63), nullable=False),
        sa.Column("ranges", sa.JSON(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("end_s", sa.BigInteger(), nullable=False),
        sa.Column("hours", sa.JSON(), nullable=False),
        sa.Column("time_zone", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=1000), nullable=False),
        sa.Column("requested_s", sa.BigInteger(), nullable=False),
        sa.Column("requested_by", sa.String(length=100), nullable=False),
        sa.Column("approved_s", sa.BigInteger(), nullable=True),
        sa.Column("rejected_s", sa.BigInteger(), nullable=True),
        sa.Column("revoked_s", sa.BigInteger(), nullable=True),
        sa.Column("decided_by", sa.String(length=100), nullable=False),
        sa.Column("note", sa.String(length=1000), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["ban"], ["bans.number"], name=op.f("fk_exemptions_ban_bans")),
        sa.ForeignKeyConstraint(["site"], ["sites.slug"], name=op.f("fk_exemptions_site_sites")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_exemptions")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_exemptions_ban"), "exemptions", ["ban"], unique=False)
    op.create_table(
        "terms",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ban", sa.Integer(), nullable=False),
        sa.Column("start_s", sa.BigInteger(), nullable=False),
        sa.Column("end_s", sa.BigInteger(), nullable=True),
        sa.Column("review_by_s", sa.BigInteger(), nullable=True),
        sa.Column("recorded_s", sa.BigInteger(), nullable=False),
        sa.Column("decision", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("ended_s", sa.BigInteger(), nullable=True),
        sa.Column("ended_reason", sa.String(length=1000), nullable=False),
        sa.Column("ended_decision", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["ban"], ["bans.number"], name=op.f("fk_terms_ban_bans")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terms")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_terms_ban"), "terms", ["ban"], unique=False)
