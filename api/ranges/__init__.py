"""Sites and the prefixes registered at them."""
