"""A report as a page: its texts in four languages, its charts, and its writing as HTML or Markdown. Pure."""
