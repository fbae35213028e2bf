"""Principals and what is shared with the user (RFC 9670)."""
