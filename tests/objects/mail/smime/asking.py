"""What the tests of S/MIME over JMAP share: who is trusted, the messages, how is asked."""

import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from tests.client import CORE, MAIL, JmapClient
from tests.formats.smime.making import (
    BODY,
    DAY,
    HEADER,
    Authority,
    Holder,
    Signing,
    Wish,
    by_hand,
    by_library,
    by_openssl,
    certificate,
    detached,
    mixed,
    multipart,
    opaque,
)
from tests.objects.mail.messages import message

SMIME = "urn:ietf:params:jmap:smimeverify"
USING = (CORE, MAIL, SMIME)
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
STATUS = ["smimeStatus", "smimeStatusAtDelivery", "smimeErrors", "smimeVerifiedAt"]
CA = Authority.make(NOW)
VERIFIED, FAILED = "signed/verified", "signed/failed"


def write_anchors(path: Path, *holders: Holder) -> None:
    path.write_bytes(b"".join(one.certificate.public_bytes(Encoding.PEM) for one in holders))


async def call(jmap: JmapClient, name: str, **arguments: Any) -> dict[str, Any]:
    ((answered, given, _),) = await jmap.sentences((name, arguments), using=USING)
    assert answered == name, given
    return given


async def statuses(jmap: JmapClient, *names: str) -> dict[str, dict[str, Any]]:
    """The S/MIME properties of all Emails by subject."""
    ids = (await call(jmap, "Email/query"))["ids"]
    found = await call(jmap, "Email/get", ids=ids, properties=["subject", *(names or STATUS)])
    assert not found["notFound"]
    return {email.pop("subject"): email for email in found["list"]}


async def subjects(jmap: JmapClient, **condition: Any) -> set[str]:
    ids = (await call(jmap, "Email/query", filter=condition))["ids"]
    return {email["subject"] for email in (await jmap.call("Email/get", ids=ids, properties=["subject"]))["list"]}


def named(subject: str, octets: bytes) -> bytes:
    return octets.replace(b"Subject: Signed", f"Subject: {subject}".encode())


def samples(directory: Path) -> dict[str, tuple[bytes, str | None, str | None]]:
    """Subject -> message, its status, a beginning of its first error."""
    past = certificate(Wish(valid=(NOW - 90 * DAY, NOW - 30 * DAY)), CA.intermediate)
    coming = certificate(Wish(valid=(NOW + 30 * DAY, NOW + 90 * DAY)), CA.intermediate)
    bob = certificate(Wish("Bob", ["bob@example.org"]), CA.intermediate)
    stranger = Authority.make(NOW).alice
    good = by_openssl(directory, [CA.alice])
    inner = multipart(by_openssl(directory, [CA.alice]), boundary=b"inner")
    signed_at = f"{NOW - datetime.timedelta(hours=2):%y%m%d%H%M%S}Z".encode()
    tampered = by_hand([Signing(CA.alice, time=NOW - datetime.timedelta(hours=2))]).replace(signed_at, b"260101000000Z")
    forwarded = b"Content-Type: message/rfc822\r\n\r\n" + detached(good)
    made: dict[str, tuple[bytes, str | None, str | None]] = {
        "valid": (detached(good), VERIFIED, None),
        "in capitals": (detached(good).replace(b"multipart/signed", b"Multipart/SIGNED"), VERIFIED, None),
        "by the library": (opaque(by_library(CA.alice), label=b""), VERIFIED, None),
        "opaque": (opaque(by_openssl(directory, [CA.alice], BODY, "-nodetach")), VERIFIED, None),
        "nested": (detached(by_openssl(directory, [CA.alice], inner), inner), VERIFIED, None),
        "two signers": (detached(by_openssl(directory, [CA.alice, bob])), VERIFIED, None),
        "expired": (
            detached(by_hand([Signing(past, time=NOW - 40 * DAY)])),
            FAILED,
            "The certificate of Alice expired",
        ),
        "not yet valid": (
            detached(by_openssl(directory, [coming])),
            FAILED,
            "The certificate of Alice is not valid before",
        ),
        "wrong address": (
            detached(good, header=HEADER.replace(b"alice@", b"carol@")),
            FAILED,
            "The From address carol@example.org is not in",
        ),
        "tampered body": (detached(good, BODY.replace(b"10", b"99")), FAILED, "The message was changed"),
        "tampered attributes": (detached(tampered), FAILED, "The signature is not right"),
        "untrusted root": (detached(by_openssl(directory, [stranger])), FAILED, "The certificate of the issuer Root"),
        "missing intermediate": (
            detached(by_hand([Signing(CA.alice)], certificates=[CA.alice.certificate])),
            FAILED,
            "The certificate of the issuer Intermediate is neither",
        ),
        "weak digest": (
            detached(by_openssl(directory, [CA.alice], BODY, "-md", "sha1")),
            FAILED,
            "The digest algorithm SHA-1",
        ),
        "one of two fails": (
            detached(by_openssl(directory, [CA.alice, stranger])),
            FAILED,
            "Alice: The certificate of the issuer Root",
        ),
        "a part only": (
            mixed(inner, b"Content-Type: text/plain\r\n\r\nA list.\r\n"),
            FAILED,
            "The signature is over a part",
        ),
        "forwarded": (mixed(forwarded, header=HEADER), None, None),
        "certificates": (opaque(good, label=b"smime-type=certs-only; "), "unknown", None),
        "encrypted": (opaque(b"\x30", label=b"smime-type=enveloped-data; "), None, None),
        "plain": (message("plain"), None, None),
    }
    return {subject: (named(subject, octets), status, error) for subject, (octets, status, error) in made.items()}
