"""A DNS resolver that carries out public bodies' bans on their networks."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("dnsfilter")
except PackageNotFoundError:  # a checkout that nobody installed
    __version__ = "0+unknown"
