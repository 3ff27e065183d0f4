"""Sites and the ranges registered at them."""
