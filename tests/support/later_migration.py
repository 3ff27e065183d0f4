"""A migration after the newest one, so that a database or backup of this version is an older one."""

import shutil
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from api.db import migration

LATER = "9999"
"""The schema that the added migration makes."""


def add_later_migration(directory: Path, monkeypatch: pytest.MonkeyPatch, *statements: str) -> None:
    """Let the control plane have one more migration, made of these statements."""
    newest = ScriptDirectory(str(migration.SCRIPTS)).get_current_head()
    scripts = directory / "migrations"
    shutil.copytree(migration.SCRIPTS, scripts)
    (scripts / "versions" / f"{LATER}_later.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f'revision, down_revision, branch_labels, depends_on = "{LATER}", "{newest}", None, None\n'
        "def upgrade():\n" + "".join(f"    {statement}\n" for statement in statements)
    )
    monkeypatch.setattr(migration, "SCRIPTS", scripts)
