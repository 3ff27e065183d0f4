"""Accounts, their roles and their tokens: who may act."""
