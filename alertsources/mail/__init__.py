"""Alerts that come as e-mail: an SMTP listener, a mailbox that is polled, one parser for both."""
