"""The option `--fleet` of `dnsfilter explain` and `dnsfilterctl explain`, which stands in for their client."""

import argparse


class InsteadOfClient(argparse.Action):
    """Store the fleet. Then the only argument is the name, which argparse has as the client."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        _option: str | None = None,
    ) -> None:
        namespace.fleet = values
        for action in parser._actions:
            if action.dest == "name":
                action.required = False
