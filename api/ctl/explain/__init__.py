"""Commands that ask why: explain, who, trace."""
