"""A DNS resolver that carries out public bodies' bans on their networks."""

__version__ = "0.1.0"
