"""The Sieve scripts of a ManageSieve server (RFC 5804)."""
