"""Languages: the gettext catalogues, and dates in words. The texts of notices and reports live in those rooms."""
