"""Web Push (RFC 8030): messages only the subscriber can read (RFC 8291), from a sender it knows (RFC 8292). Pure."""

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDH,
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

RECORD_SIZE: Final = 4096
MAX_PLAINTEXT: Final = 3993
"""Octets that fit into the one record of a message: RFC 8291 §4 allows no second, RFC 8030 §7.2 no larger body."""

TOKEN_SECONDS: Final = 12 * 3600
"""How long a token is good; RFC 8292 §2 allows 24 hours."""


@dataclass(frozen=True, slots=True)
class SubscriberKeys:
    """The keys of a subscription: a point on P-256, and 16 octets that both sides know (RFC 8291 §3.1, §3.2)."""

    public: EllipticCurvePublicKey
    auth: bytes


def subscriber_keys(p256dh: str, auth: str) -> SubscriberKeys:
    """The keys in URL-safe base64, as browsers give them. Raises ValueError."""
    point, secret = _decode(p256dh), _decode(auth)
    if len(secret) != 16:
        raise ValueError("auth is not 16 octets")
    return SubscriberKeys(EllipticCurvePublicKey.from_encoded_point(SECP256R1(), point), secret)


def encrypt(text: bytes, keys: SubscriberKeys, sender: EllipticCurvePrivateKey, salt: bytes) -> bytes:
    """The body of a message in the content coding aes128gcm (RFC 8188).

    sender, salt (16 octets): fresh for each message. Raises ValueError for a text beyond MAX_PLAINTEXT.
    """
    if len(text) > MAX_PLAINTEXT:
        raise ValueError("too long for a push message")
    own = public_octets(sender)
    shared = sender.exchange(ECDH(), keys.public)
    # RFC 8291 §3.3, §3.4
    info = b"WebPush: info\0" + _point(keys.public) + own
    secret = _hmac(_hmac(keys.auth, shared), info + b"\1")
    # RFC 8188 §2.2, §2.3
    pseudorandom = _hmac(salt, secret)
    key = _hmac(pseudorandom, b"Content-Encoding: aes128gcm\0\1")[:16]
    nonce = _hmac(pseudorandom, b"Content-Encoding: nonce\0\1")[:12]
    header = salt + RECORD_SIZE.to_bytes(4, "big") + bytes([len(own)]) + own
    return header + AESGCM(key).encrypt(nonce, text + b"\2", None)  # 2 marks the last record


def vapid(url: str, key: EllipticCurvePrivateKey, contact: str | None, now: int) -> str:
    """The Authorization header field of a POST to a push resource (RFC 8292 §2, §3). now: seconds since 1970.

    contact: a "mailto:" or "https:" URL of who runs the gateway.
    """
    parts = urlsplit(url)
    claims: dict[str, object] = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": now + TOKEN_SECONDS}
    if contact is not None:
        claims["sub"] = contact
    unsigned = b".".join(_encode(orjson.dumps(part)) for part in ({"typ": "JWT", "alg": "ES256"}, claims))
    r, s = decode_dss_signature(key.sign(unsigned, ECDSA(SHA256())))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")  # RFC 7518 §3.4
    return f"vapid t={(unsigned + b'.' + _encode(signature)).decode()}, k={application_server_key(key)}"


def application_server_key(key: EllipticCurvePrivateKey) -> str:
    """The public half as clients need it: uncompressed, in URL-safe base64 (RFC 9749 §3)."""
    return _encode(public_octets(key)).decode()


def public_octets(key: EllipticCurvePrivateKey) -> bytes:
    """The public half of a key, uncompressed: 65 octets."""
    return _point(key.public_key())


def _point(key: EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def _encode(octets: bytes) -> bytes:
    return base64.urlsafe_b64encode(octets).rstrip(b"=")


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text.rstrip("=").encode() + b"=" * (-len(text.rstrip("=")) % 4), b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise ValueError("no URL-safe base64") from None
