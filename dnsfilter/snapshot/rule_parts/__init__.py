"""Sections of the rules file that each have a writer and a reader here: what is counted, and suspensions."""
