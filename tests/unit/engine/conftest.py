"""Tests that ask for a kind run with the parts of every kind of engine."""

from tests.support.starting import kind

__all__ = ["kind"]
