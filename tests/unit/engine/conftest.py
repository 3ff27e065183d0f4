"""Tests with the fixture `kind` run with the parts of every kind of engine."""

from tests.support.starting import kind

__all__ = ["kind"]
