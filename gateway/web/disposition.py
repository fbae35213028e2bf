"""File names and media types from clients, made safe for header fields (RFC 6266, RFC 8187). Pure."""

import re
import unicodedata
from typing import Final
from urllib.parse import quote

MAX_NAME: Final = 255

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}"
_VALUE: Final = r"""(?:[A-Za-z0-9!#$&^_.+'-]{1,128}|"[A-Za-z0-9!#$&^_.+'/:=?(),@ -]{0,128}")"""
_MEDIA_TYPE: Final = re.compile(rf"{_NAME}/{_NAME}(?: ?; ?[A-Za-z0-9!#$&^_.+-]{{1,64}}={_VALUE})*")
OCTETS: Final = "application/octet-stream"


def media_type(value: str | None) -> str:
    """The media type if it has the form of one (RFC 6838 §4.2), else application/octet-stream."""
    value = (value or "").strip(" ")
    return value if len(value) <= 512 and _MEDIA_TYPE.fullmatch(value) else OCTETS


def attachment(name: str) -> str:
    """The Content-Disposition field value: always an attachment, so that no browser renders it in our origin."""
    clean = "".join(c for c in name if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"})[:MAX_NAME]
    if not clean.strip():
        return "attachment"
    plain = "".join(c if " " <= c <= "~" and c not in '"\\%/' else "_" for c in clean)
    value = f'attachment; filename="{plain}"'
    if plain != clean:
        value += f"; filename*=UTF-8''{quote(clean, safe='')}"  # RFC 6266 §4.3: preferred where understood
    return value
