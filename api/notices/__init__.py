"""Notices: mails to authorities and to the installation."""
