"""The page for the ICT desk, as people print it: on one sheet in each language."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.components import PROJECT, component
from tests.support.pdf import A4, page_sizes

DESK = "docs/desk"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the pages of the desk as Sphinx makes them."""
    made = tmp_path_factory.mktemp("site")
    sources = made / "docs"
    shutil.copytree(PROJECT / DESK, sources / "desk")
    shutil.copytree(PROJECT / "docs/site", sources / "site")
    (sources / "index.md").write_text("# desk\n\n```{toctree}\n:glob:\ndesk/*\n```\n")
    shutil.copy(PROJECT / "docs/conf.py", sources)
    shutil.copy(PROJECT / "pyproject.toml", made)
    build = ("-m", "sphinx", "--quiet", "--fail-on-warning", "-b", "html", "-d", str(made / "doctrees"))
    subprocess.run([sys.executable, *build, str(sources), str(made / "pages")], check=True)
    return made / "pages" / "desk"


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "nl", "fr", "de"])
def test_the_page_for_the_desk_prints_on_one_sheet(language: str, site: Path, tmp_path: Path) -> None:
    printed = tmp_path / "desk.pdf"
    options = ("--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--user-data-dir={tmp_path / 'profile'}")
    done = component("chromium").run(*options, f"--print-to-pdf={printed}", (site / f"{language}.html").as_uri())
    assert printed.exists(), done.stderr
    assert page_sizes(printed.read_bytes()) == [A4]
