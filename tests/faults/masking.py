"""Credentials out of a transcript of IMAP, SMTP, ManageSieve or HTTP, so that a failing test can print it."""

import re

STARS = rb"\1***"

# Each keeps its first group and masks what follows.
SECRETS = (
    # IMAP LOGIN with literals: the line after the second one. RFC 9051 §6.2.3
    rb"(?im)^(\S+ LOGIN \{\d+\+?\}\r\n[^\r\n]*\{\d+\+?\}\r\n)[^\r\n]*",
    rb'(?im)^(\S+ LOGIN (?:"(?:[^"\\]|\\.)*"|[^\s{]+) )[^\r\n]*',
    # SASL: what stands after the mechanism, and else the line that follows. RFC 4422 §3, RFC 4954 §4, RFC 5804 §2.1
    rb'(?im)^((?:\S+ )?AUTH(?:ENTICATE)? "?[\w-]+"?[ ])[^\r\n]+',
    rb'(?im)^((?:\S+ )?AUTH(?:ENTICATE)? "?[\w-]+"?\r\n)[^\r\n]+',
    rb"(?im)^((?:Proxy-)?Authorization:[ ]*\S+[ ]+)[^\r\n]+",
)


def mask(octets: bytes) -> bytes:
    """The octets with passwords, SASL responses and HTTP credentials replaced by three stars."""
    for pattern in SECRETS:
        octets = re.sub(pattern, STARS, octets)
    return octets
