"""How Sphinx makes the documents into the pages of /help; `make docs` runs it. Decision 0084 says why Sphinx."""

import tomllib
from pathlib import Path

project = "dnsfilter"
version = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]["version"]
extensions = ["myst_parser"]

# Each link names a file of this folder, and a heading of it. With -W a link to nothing ends the build.
nitpicky = True
# Decisions are linked from their index, not from the list on the left. A test finds documents without a link.
suppress_warnings = ["toc.not_included"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"dnsfilter {version}"
html_static_path = ["site"]
html_css_files = ["site.css"]
html_copy_source = False
html_use_index = False
html_show_sphinx = False
html_show_copyright = False
