"""Onboarding: what an authority still needs before it is served."""
