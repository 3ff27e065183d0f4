"""Commands that explain answers: explain, who, trace."""
