"""Sieve scripts (RFC 9661) and the vacation response (RFC 8621 §8), which is one of them."""
