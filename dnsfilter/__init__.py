"""A DNS resolver that carries out public bodies' bans on their networks."""
