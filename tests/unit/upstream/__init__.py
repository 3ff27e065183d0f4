"""Tests of asking upstreams."""
