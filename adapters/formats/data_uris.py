"""The octets in a URI of the "data:" scheme (RFC 2397)."""

import base64
import binascii
from urllib.parse import unquote_to_bytes


def read_data_uri(uri: str) -> tuple[str, bytes]:
    """Media type, without parameters, in lower case, and octets. Raises ValueError for what is no such URI."""
    scheme, _, rest = uri.partition(":")
    head, comma, data = rest.partition(",")
    if scheme.lower() != "data" or not comma:
        raise ValueError("no data: URI")
    media_type, *parameters = head.lower().split(";")
    octets = unquote_to_bytes(data)
    if "base64" in parameters:
        try:
            octets = base64.b64decode(octets + b"=" * (-len(octets) % 4))
        except binascii.Error as error:
            raise ValueError("no base64 in a data: URI") from error
    return media_type or "text/plain", octets  # RFC 2397 §2: the default
