"""SMTP submission (RFC 6409) on aiosmtplib."""
