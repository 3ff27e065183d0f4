"""A DNS resolver that carries out the bans of public authorities on their networks."""

__version__ = "0.1.0"
