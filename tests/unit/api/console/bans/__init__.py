"""Pages of bans."""
