"""Nodes: registration, enrolment, reports and states."""
