"""Tests of dnsfilter doctor."""
