"""EmailBodyPart objects, the flat body lists and EmailBodyValue (RFC 8621 §4.1.4)."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from adapters.formats.header_forms import as_raw, header_fields, header_property, parse_header_property
from adapters.formats.mime import Part

__all__ = [
    "BODY_PROPERTIES",
    "DEFAULT_BODY_PROPERTIES",
    "BodyLists",
    "body_lists",
    "body_part_json",
    "body_value",
    "estimated_size",
    "has_attachment",
    "needs_part_headers",
]

# RFC 8621 §4.2, bodyProperties
DEFAULT_BODY_PROPERTIES = (
    *("partId", "blobId", "size", "name", "type", "charset"),
    *("disposition", "cid", "language", "location"),
)
BODY_PROPERTIES = frozenset([*DEFAULT_BODY_PROPERTIES, "headers", "subParts"])

_MEDIA = ("image/", "audio/", "video/")
_SIGNATURES = frozenset(["application/pgp-signature", "application/pkcs7-signature", "application/x-pkcs7-signature"])


@dataclass(slots=True)
class BodyLists:
    """The leaf parts as a flat message."""

    text: list[Part] = field(default_factory=list)  # textBody
    html: list[Part] = field(default_factory=list)  # htmlBody
    attachments: list[Part] = field(default_factory=list)


def body_lists(root: Part) -> BodyLists:
    """Decompose a structure into textBody, htmlBody and attachments, by the algorithm of RFC 8621 §4.1.4."""
    lists = BodyLists()
    _collect([root], "mixed", False, lists.html, lists.text, lists.attachments)
    return lists


def _collect(
    parts: list[Part],
    multipart: str,
    in_alternative: bool,
    html: list[Part] | None,
    text: list[Part] | None,
    attachments: list[Part],
) -> None:
    """`html` or `text` is None where parts of the other kind only are wanted (inside of an alternative)."""
    text_length = -1 if text is None else len(text)
    html_length = -1 if html is None else len(html)
    for index, part in enumerate(parts):
        if part.is_multipart:
            kind = part.type.partition("/")[2]
            inner = in_alternative or kind == "alternative"
            _collect(part.sub_parts, kind, inner, html, text, attachments)
        elif not _is_inline(part, index, multipart):
            attachments.append(part)
        elif multipart == "alternative":
            _add_alternative(part, html, text, attachments)
        else:
            if in_alternative:
                html = None if part.type == "text/plain" else html
                text = None if part.type == "text/html" else text
            for body in (text, html):
                if body is not None:
                    body.append(part)
            if (text is None or html is None) and part.type.startswith(_MEDIA):
                attachments.append(part)
    if multipart == "alternative" and text is not None and html is not None:
        _share_only_version(html, html_length, text, text_length)


def _is_inline(part: Part, index: int, multipart: str) -> bool:
    """Whether the part is of the body rather than an attachment."""
    media = part.type.startswith(_MEDIA)
    if part.disposition == "attachment" or not (part.type in ("text/plain", "text/html") or media):
        return False
    # Only the first part of a multipart/related can be inline; a text with a file name that is not the first
    # item of its multipart is an attachment.
    return index == 0 or (multipart != "related" and (media or not part.name))


def _add_alternative(part: Part, html: list[Part] | None, text: list[Part] | None, attachments: list[Part]) -> None:
    match part.type:
        case "text/plain":
            chosen = text
        case "text/html":
            chosen = html
        case _:
            chosen = attachments
    if chosen is not None:  # an alternative inside of a version that has chosen the other kind already
        chosen.append(part)


def _share_only_version(html: list[Part], html_length: int, text: list[Part], text_length: int) -> None:
    """An alternative with one version only serves both lists."""
    if text_length == len(text) and html_length != len(html):
        text += html[html_length:]
    elif html_length == len(html) and text_length != len(text):
        html += text[text_length:]


def has_attachment(root: Part) -> bool:
    """Whether there is something to offer for download (RFC 8621 §4.1.4).

    Attachments that are not inline count, except images that HTML refers to by Content-Id and detached
    signatures, which a server may ignore.
    """
    return any(_is_downloadable(part) for part in body_lists(root).attachments)


def _is_downloadable(part: Part) -> bool:
    if part.disposition == "inline" or part.type in _SIGNATURES:
        return False
    return part.disposition == "attachment" or not (part.cid and part.type.startswith("image/"))


def needs_part_headers(properties: Iterable[str]) -> bool:
    """Whether these body properties need the MIME header of each part."""
    return any(name == "headers" or name.startswith("header:") for name in properties)


def estimated_size(part: Part) -> int:
    """The decoded size, or a close upper guess while only the encoded size is known (base64: lines of 76)."""
    if part.size is not None:
        return part.size
    return part.octets * 76 // 78 * 3 // 4 if part.encoding == "base64" else part.octets


_FIELDS: dict[str, Callable[[Part], object]] = {
    "partId": lambda part: part.part_id,
    "size": estimated_size,
    "name": lambda part: part.name,
    "type": lambda part: part.type,
    "charset": lambda part: part.charset,
    "disposition": lambda part: part.disposition,
    "cid": lambda part: part.cid,
    "language": lambda part: part.language,
    "location": lambda part: part.location,
    "headers": lambda part: [
        {"name": name, "value": as_raw(value)} for name, value in header_fields(part.header or b"")
    ],
}


def body_part_json(
    part: Part,
    properties: Iterable[str],
    blob_id_of: Callable[[Part], str | None],
    *,
    with_sub_parts: bool = False,
) -> dict[str, Any]:
    """One EmailBodyPart with the properties asked for.

    Args:
        part: its `header` is needed for "headers" and "header:…" (nothing is found in one that was not fetched).
        properties: names that were validated already.
        blob_id_of: the blob id of a leaf.
        with_sub_parts: for bodyStructure: a multipart shows its parts, whether "subParts" was asked for or not,
            since the structure cannot be had otherwise. The parts of the flat lists have none (RFC 8621 §4.1.4).
    """
    properties = tuple(properties)
    found: dict[str, Any] = {}
    for name in properties:
        if read := _FIELDS.get(name):
            found[name] = read(part)
        elif name == "blobId":
            found[name] = None if part.is_multipart else blob_id_of(part)
        elif wanted := parse_header_property(name):
            found[name] = header_property(header_fields(part.header or b""), wanted)
        elif name == "subParts":
            found[name] = None
    if with_sub_parts and part.is_multipart:
        found["subParts"] = [
            body_part_json(child, properties, blob_id_of, with_sub_parts=True) for child in part.sub_parts
        ]
    return found


_TAG_START = re.compile(r"<[A-Za-z/!?]")
_TAG = re.compile(r"""<[^<>"']*(?:(?:"[^"]*"|'[^']*')[^<>"']*)*>""")
_CUT_REFERENCE = re.compile(r"&#?[A-Za-z0-9]*\Z")
_LONGEST_REFERENCE = 32
_NESTED_BRACKETS = 32
_LONGEST_TAG = 64 * 1024


def body_value(
    text: str, is_encoding_problem: bool, max_bytes: int, *, is_html: bool = False, is_partial: bool = False
) -> dict[str, Any]:
    """An EmailBodyValue (RFC 8621 §4.1.4): CRLF becomes LF; at most `max_bytes` octets of UTF-8 (0: no limit).

    `is_partial` says that `text` is only the beginning of the part.
    """
    value = text.replace("\r\n", "\n")
    truncated = is_partial
    if max_bytes and len(value) * 4 > max_bytes:
        octets = value.encode("utf-8")
        if len(octets) > max_bytes:
            truncated = True
            # RFC 8621 §4.2: valid UTF-8, not mid-codepoint
            value = octets[:max_bytes].decode("utf-8", "ignore")
    if truncated and is_html:
        value = value[: _markup_end(value)]
    return {"value": value, "isEncodingProblem": is_encoding_problem, "isTruncated": truncated}


def _markup_end(html: str) -> int:
    """The last index that is not inside of a tag (RFC 8621 §4.2) or a character reference."""
    end = len(html)
    for _ in range(_NESTED_BRACKETS):  # a "<" may stand in an attribute, so the tag before it is looked at as well
        start = html.rfind("<", max(0, end - _LONGEST_TAG), end)
        if start < 0 or not _is_cut_tag(html, start, end):
            break
        end = start
    reference = _CUT_REFERENCE.search(html, max(0, end - _LONGEST_REFERENCE), end)
    return reference.start() if reference else end


def _is_cut_tag(html: str, start: int, end: int) -> bool:
    if start == end - 1:
        return True
    return bool(_TAG_START.match(html, start, end)) and not _TAG.match(html, start, end)
