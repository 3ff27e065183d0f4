"""The manual of the three commands: man pages and pages of the site, from the parsers that also print `--help`.

`python -m api.manual pages docs/reference` writes the pages; `python -m api.manual man DIRECTORY` the man pages.
"""
