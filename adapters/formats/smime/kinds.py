"""Which S/MIME a message is, told by its MIME structure alone (RFC 8551 §3.10, RFC 1847 §2.1).

A message is S/MIME by its outermost part. A list or a gateway may have put a signed message into a multipart/mixed
to add a notice; then it still holds a signature, which covers a part of it only. What is inside of a message/rfc822
attachment is another message's.
"""

from dataclasses import dataclass
from typing import Final, Literal

from adapters.formats.mime import Part, walk

__all__ = ["CONTENT_TYPES", "OPAQUE_TYPES", "Kind", "Layer", "cms_kind", "layer_of", "needs_structure", "part_kind"]

Kind = Literal["detached", "opaque", "unlabelled", "unknown"]
"""detached: multipart/signed; opaque: signed-data that holds what it signs; unlabelled: CMS of a kind that only its
beginning tells (`cms_kind`); unknown: S/MIME neither signed nor encrypted, or a signature that isn't S/MIME."""

SIGNATURE_TYPES: Final = frozenset({"application/pkcs7-signature", "application/x-pkcs7-signature"})
OPAQUE_TYPES: Final = frozenset({"application/pkcs7-mime", "application/x-pkcs7-mime"})
_SUFFIX: Final = ".p7m"

CONTENT_TYPES: Final = ("multipart/signed", "multipart/mixed", "pkcs7-mime", _SUFFIX)
"""One of these is in the Content-Type field of every message that `layer_of` finds something in."""

# RFC 8551 §3.2.2. What is encrypted shows no signature, so it is none of these.
_LABELS: Final[dict[str, Kind | None]] = {
    "signed-data": "opaque",
    "certs-only": "unknown",
    "compressed-data": "unknown",
    "enveloped-data": None,
    "authenveloped-data": None,
}
# The object identifiers of CMS content types (RFC 5652, RFC 3274, RFC 5083), as encoded, behind 1.2.840.113549.1.
_CMS: Final = bytes.fromhex("2a864886f70d01")
_CMS_KINDS: Final[dict[bytes, Kind | None]] = {
    b"\x07\x02": "opaque",
    b"\x07\x03": None,  # enveloped-data
    b"\x07\x06": None,  # encrypted-data
    b"\x09\x10\x01\x17": None,  # authEnveloped-data
}


@dataclass(frozen=True, slots=True)
class Layer:
    """The S/MIME of a message. whole: the part is the whole message, not a part of it."""

    kind: Kind
    part: Part
    whole: bool


def layer_of(root: Part) -> Layer | None:
    """The outermost S/MIME of a message, None where it has none or is encrypted."""
    kind = part_kind(root)
    if kind is not None:
        return Layer(kind, root, whole=True)
    if root.type != "multipart/mixed":
        return None
    for part in walk(root):
        kind = part_kind(part) if part.type == "multipart/signed" else None
        if kind is not None:
            return Layer(kind, part, whole=False)
    return None


def needs_structure(root: Part) -> bool:
    """Whether the header of a message alone doesn't tell what `layer_of` finds: what lies inside must be known."""
    return root.type == "multipart/mixed" or (root.type == "multipart/signed" and not root.params.get("protocol"))


def part_kind(part: Part) -> Kind | None:
    """What one part is by its header, and multipart/signed by its second part where the header doesn't say."""
    if part.type == "multipart/signed":
        protocol = part.params.get("protocol", "").strip().lower()
        signature = protocol or (part.sub_parts[-1].type if part.sub_parts else "")
        return "detached" if signature in SIGNATURE_TYPES else "unknown"
    if part.type in OPAQUE_TYPES:
        return _LABELS.get(part.params.get("smime-type", "").strip().lower(), "unlabelled")
    # RFC 8551 §3.10: senders that don't know better say application/octet-stream
    if part.type == "application/octet-stream" and part.params.get("name", "").lower().endswith(_SUFFIX):
        return "unlabelled"
    return None


def cms_kind(beginning: bytes) -> Kind | None:
    """What a ContentInfo (RFC 5652 §3) holds, from its first octets: "opaque", "unknown", None for encrypted."""
    if beginning[:1] != b"\x30" or len(beginning) < 2:
        return "unknown"
    length_octets = beginning[1] & 0x7F if beginning[1] & 0x80 else 0
    oid = beginning[2 + length_octets :]
    if oid[:1] != b"\x06" or len(oid) < 2:
        return "unknown"
    value = oid[2 : 2 + oid[1]]
    return _CMS_KINDS.get(value.removeprefix(_CMS), "unknown") if value.startswith(_CMS) else "unknown"
