"""The options of `dnsfilter setup`, as typed."""

import argparse

from dnsfilter.cli.main import make_parser


def options(*typed: str) -> argparse.Namespace:
    return make_parser().parse_args(["setup", *typed])
