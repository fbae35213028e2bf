"""Email objects to messages: the rules of RFC 8621 §4.6, one by one, and what the messages look like."""

import email.policy
import hashlib
import itertools
from email import message_from_bytes
from typing import Any

import pytest

from adapters.formats.email import BodyOptions, email_properties
from adapters.formats.mime import parse_message, part_body, walk
from tests.formats.mail.writing import faults, text_email, written

ALL = BodyOptions(fetch_all_body_values=True)


def read_back(octets: bytes, *names: str) -> dict[str, Any]:
    return email_properties(parse_message(octets), names, ALL, blob_id_of=lambda part: part.part_id)


def structure(part: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"bodyStructure": part, "bodyValues": {"t": {"value": "Hello.\n"}}, **members}


TEXT = {"partId": "t", "type": "text/plain"}

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("headers on the Email", text_email(headers=[{"name": "X", "value": "y"}]), "headers"),
    ("headers on a part", structure(TEXT | {"headers": []}), "bodyStructure/headers"),
    ("from twice", text_email(**{"from": [{"email": "a@b.c"}], "header:From": " a@b.c"}), "header:From"),
    ("one field in two forms", text_email(**{"header:X-A": " a", "header:x-a:asText": "a"}), "header:x-a:asText"),
    ("one field twice, with :all", text_email(**{"header:X-A": " a", "header:X-A:all": [" a"]}), "header:X-A:all"),
    ("type and Content-Type", structure(TEXT | {"header:Content-Type": " text/plain"}), ""),
    ("a forbidden form", text_email(**{"header:Subject:asAddresses": []}), "header:Subject:asAddresses"),
    ("a forbidden form on a part", structure(TEXT | {"header:Date:asText": "x"}), "bodyStructure/header:Date:asText"),
    ("Content-* on the Email", text_email(**{"header:Content-Language": " de"}), "header:Content-Language"),
    ("bodyStructure and textBody", structure(TEXT, textBody=[TEXT]), "textBody"),
    ("bodyStructure and htmlBody", structure(TEXT, htmlBody=[TEXT]), "htmlBody"),
    ("bodyStructure and attachments", structure(TEXT, attachments=[]), "attachments"),
    ("a field of the Email again", structure(TEXT | {"header:Subject": " a"}, subject="b"), ""),
    ("two text bodies", text_email(textBody=[TEXT, TEXT]), "textBody"),
    ("no text body", text_email(textBody=[]), "textBody"),
    ("HTML as text body", text_email(textBody=[TEXT | {"type": "text/html"}]), "textBody/0/type"),
    ("two HTML bodies", text_email(htmlBody=[{"partId": "t"}] * 2), "htmlBody"),
    ("text as HTML body", text_email(htmlBody=[TEXT]), "htmlBody/0/type"),
    ("partId and blobId", structure(TEXT | {"blobId": "b"}), "bodyStructure/partId"),
    ("neither", structure({"type": "text/plain"}), "bodyStructure/partId"),
    ("a partId without value", structure(TEXT | {"partId": "u"}), "bodyStructure/partId"),
    ("charset with partId", structure(TEXT | {"charset": "utf-8"}), "bodyStructure/charset"),
    ("size with partId", structure(TEXT | {"size": 1}), "bodyStructure/size"),
    (
        "Content-Transfer-Encoding",
        structure(TEXT | {"header:Content-Transfer-Encoding": " 8bit"}),
        "bodyStructure/header:Content-Transfer-Encoding",
    ),
    (
        "isEncodingProblem",
        text_email(bodyValues={"t": {"value": "", "isEncodingProblem": True}}),
        "bodyValues/t/isEncodingProblem",
    ),
    ("isTruncated", text_email(bodyValues={"t": {"value": "", "isTruncated": True}}), "bodyValues/t/isTruncated"),
    ("partId of an image", structure(TEXT | {"type": "image/png"}), "bodyStructure/type"),
    ("subParts of a text", structure({"type": "text/plain", "subParts": [TEXT]}), "bodyStructure/subParts"),
    ("multipart of nothing", structure({"type": "multipart/mixed", "subParts": []}), "bodyStructure/subParts"),
    ("multipart of a blob", structure({"type": "multipart/mixed", "blobId": "b"}), "bodyStructure/blobId"),
    ("an unknown property", text_email(subjekt="x"), "subjekt"),
    ("an unknown property of a part", structure(TEXT | {"nmae": "x"}), "bodyStructure/nmae"),
    (
        "deep inside",
        structure({"type": "multipart/mixed", "subParts": [TEXT, {"type": "multipart/mixed", "subParts": [{}]}]}),
        "bodyStructure/subParts/1/subParts/0/partId",
    ),
    ("no EmailAddress", text_email(**{"from": [1]}), "from/0"),
    ("an address that is no string", text_email(to=[{"email": 1}]), "to/0/email"),
    ("a name that is no string", text_email(to=[{"email": "a@b.c"}, {"email": "a@b.c", "name": []}]), "to/1/name"),
    ("two message ids", text_email(messageId=["a@b", "c@d"]), "messageId"),
    ("a date of no calendar", text_email(sentAt="2026-02-30T00:00:00Z"), "sentAt"),
    ("a second From", text_email(**{"header:From:asAddresses:all": [[], []]}), "header:From:asAddresses:all"),
    ("MIME-Version", text_email(**{"header:MIME-Version": " 1.0"}), "header:MIME-Version"),
    ("a boundary", structure({"header:Content-Type": " multipart/mixed; boundary=x", "subParts": [TEXT]}), ""),
    ("a raw line too long", text_email(**{"header:X-A": " " + "a" * 1000}), "header:X-A"),
]


@pytest.mark.parametrize(("email", "path"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_must_not_be_given_is_refused(email: dict[str, Any], path: str) -> None:
    found = faults(email)
    assert path in found if path else found


def test_everything_that_is_wrong_is_named() -> None:
    wrong = text_email(headers=[], subject="a\nb", to=[{"email": "a\0"}], attachments=[{"blobId": "b", "type": "x"}])
    assert faults(wrong) == {"headers", "subject", "to/0/email", "attachments/0/type"}


def test_a_message_id_and_a_date_are_generated_only_if_missing() -> None:
    octets = written(text_email())
    assert b"\r\nMessage-ID: <generated@example.org>\r\n" in octets
    assert octets.startswith(b"Date: Fri, 2 Jan 2026 03:04:05 +0000\r\n")
    given = text_email(**{"header:Message-ID": " <mine@x>", "sentAt": "2026-11-17T09:00:00+01:00"})
    found = read_back(written(given), "messageId", "sentAt", "header:Date:all")
    assert (found["messageId"], found["sentAt"]) == (["mine@x"], "2026-11-17T09:00:00+01:00")
    assert len(found["header:Date:all"]) == 1
    on_the_part = structure(TEXT | {"header:Message-ID:asMessageIds": ["part@x"]})
    assert read_back(written(on_the_part), "header:Message-ID:asMessageIds:all") == {
        "header:Message-ID:asMessageIds:all": [["part@x"]]
    }


def test_an_empty_email_is_an_empty_text() -> None:
    found = read_back(written({}), "bodyStructure", "bodyValues", "subject")
    assert found["bodyStructure"]["type"] == "text/plain"
    assert found["bodyValues"]["1"]["value"] == ""


HTML = {"partId": "h", "type": "text/html"}
BODIES = {"t": {"value": "Grüße\n"}, "h": {"value": "<b>Grüße</b>"}}
PICTURE = {"blobId": "b", "type": "image/png", "cid": "pic@x", "disposition": "inline"}
FILE = {"blobId": "b", "type": "application/pdf", "name": "Bericht für alle.pdf"}


@pytest.mark.parametrize(
    ("members", "types"),
    [
        ({"textBody": [TEXT]}, ["text/plain"]),
        ({"htmlBody": [HTML]}, ["text/html"]),
        ({"textBody": [TEXT], "htmlBody": [HTML]}, ["multipart/alternative", "text/plain", "text/html"]),
        ({"htmlBody": [HTML], "attachments": [PICTURE]}, ["multipart/related", "text/html", "image/png"]),
        ({"textBody": [TEXT], "attachments": [FILE]}, ["multipart/mixed", "text/plain", "application/pdf"]),
        ({"attachments": [FILE]}, ["multipart/mixed", "application/pdf"]),
        (
            {"textBody": [TEXT], "htmlBody": [HTML], "attachments": [PICTURE, FILE]},
            [
                *("multipart/mixed", "multipart/alternative", "text/plain"),
                *("multipart/related", "text/html", "image/png", "application/pdf"),
            ],
        ),
    ],
)
def test_the_flat_lists_make_the_usual_tree(members: dict[str, Any], types: list[str]) -> None:
    octets = written({"bodyValues": BODIES, **members}, {"b": b"\x89PNG"})
    assert [part.type for part in walk(parse_message(octets).root)] == types
    found = read_back(octets, "textBody", "htmlBody", "attachments", "bodyValues")
    for name in ("textBody", "htmlBody"):
        if name in members:
            (part,) = found[name]
            assert found["bodyValues"][part["partId"]]["value"] == BODIES[members[name][0]["partId"]]["value"]
    sent = sorted(part["type"] for part in members.get("attachments", ()))
    assert sorted(part["type"] for part in found["attachments"]) == sent
    assert [part.get_content_type() for part in message_from_bytes(octets).walk()] == types


def test_the_properties_of_a_part_come_back() -> None:
    part = {
        "blobId": "b",
        "type": "text/csv",
        "charset": "iso-8859-1",
        "name": 'Große "Liste" \\ 表.csv',
        "disposition": "attachment",
        "cid": "id@x",
        "language": ["de-DE", "en"],
        "location": "https://example.org/a_(b)?c=%20",
        "size": 3,
        "header:Content-Description:asText": "Eine Übersicht",
        "header:X-Other": " raw",
    }
    octets = written(structure({"type": "multipart/mixed", "subParts": [TEXT, part]}), {"b": bytes(range(256))})
    root = parse_message(octets).root
    found = root.sub_parts[1]
    assert part_body(parse_message(octets), found) == bytes(range(256))
    for name in ("type", "charset", "name", "disposition", "cid", "language", "location"):
        assert getattr(found, name) == part[name], name
    oracle = message_from_bytes(octets, policy=email.policy.default).get_payload(1)
    assert isinstance(oracle, email.message.EmailMessage)
    assert oracle.get_filename() == part["name"]
    assert oracle["Content-Description"] == "Eine Übersicht"
    assert oracle["X-Other"] == "raw"


def test_a_name_without_disposition_gives_no_disposition() -> None:
    octets = written(structure({"blobId": "b", "type": "image/gif", "name": "ä" * 60 + ".gif"}), {"b": b"GIF89a"})
    root = parse_message(octets).root
    assert (root.name, root.disposition) == ("ä" * 60 + ".gif", None)


def test_fields_of_the_root_part_are_fields_of_the_message() -> None:
    octets = written(structure(TEXT | {"header:Subject:asText": "from the part", "language": ["de"]}))
    found = read_back(octets, "subject", "bodyStructure")
    assert found["subject"] == "from the part"
    assert found["bodyStructure"]["language"] == ["de"]


def test_a_content_type_of_the_clients_own_is_completed() -> None:
    signed = ' multipart/signed; protocol="application/pgp-signature"; micalg=pgp-sha256'
    flowed = {"partId": "t", "header:Content-Type": " text/plain; format=flowed; delsp=yes"}
    octets = written(structure({"header:Content-Type": signed, "subParts": [flowed, FILE]}), {"b": b"sig"})
    root = parse_message(octets).root
    assert root.params["micalg"] == "pgp-sha256"
    first = root.sub_parts[0]
    assert (first.charset, first.params["format"], first.params["delsp"]) == ("utf-8", "flowed", "yes")
    assert octets.count(b"Content-Type:") == 3


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("plain \nwith trailing space \n", "7bit"),
        ("Grüße an alle, die das hier lesen können und wollen\n", "quoted-printable"),
        ("привет, мир " * 20, "base64"),
        ("x" * 2000, "quoted-printable"),
        ("a\0b", "quoted-printable"),
        ("x" * 990 + "é", "quoted-printable"),
        ("é" * 30 + " \n.\nFrom me\n--=_TOKEN_0001\n", "quoted-printable"),
    ],
)
def test_the_transfer_encoding_fits_the_text(text: str, encoding: str) -> None:
    octets = written(text_email(bodyValues={"t": {"value": text}}))
    message = parse_message(octets)
    assert message.root.encoding in (encoding, "base64")
    assert part_body(message, message.root).decode() == text.replace("\n", "\r\n")
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    decoded = message_from_bytes(octets).get_payload(decode=True)
    assert isinstance(decoded, bytes)
    assert decoded.decode() == text.replace("\n", "\r\n")


def test_a_boundary_is_never_in_the_content() -> None:
    hostile = "--=_TOKEN_0001\nX-Injected: 1\n\n--=_TOKEN_0001--\n=_TOKEN_1\n"
    values = {"t": {"value": hostile}, "h": {"value": hostile}}
    octets = written({"textBody": [TEXT], "htmlBody": [HTML], "bodyValues": values})
    assert [part.type for part in walk(parse_message(octets).root)] == [
        *("multipart/alternative", "text/plain", "text/html")
    ]
    found = read_back(octets, "bodyValues")["bodyValues"]
    assert [value["value"] for value in found.values()] == [hostile, hostile]


def test_an_attached_message_is_not_encoded() -> None:
    inner = "Subject: Grüße\n\nbare line ends \0 and NUL\r\n".encode()
    part = {"blobId": "m", "type": "message/rfc822"}
    octets = written(text_email(attachments=[part]), {"m": inner})
    message = parse_message(octets)
    attached = message.root.sub_parts[1]
    assert attached.encoding == "8bit"  # RFC 2046 §5.2.1
    assert message.root.encoding == "8bit"  # RFC 2045 §6.4
    assert part_body(message, attached) == "Subject: Grüße\r\n\r\nbare line ends  and NUL\r\n".encode()
    plain = written(text_email(attachments=[part]), {"m": b"Subject: x\r\n\r\ny\r\n"})
    assert b"8bit" not in plain


@pytest.mark.parametrize(
    ("size", "piece"),
    [
        *itertools.product([0, 1, 2, 3, 56, 57, 58, 114, 115, 5000], [1, 57, 64, 1000]),
        *itertools.product([5000, 100_001], [57, 1000, 300_000]),
    ],
)
def test_a_blob_is_encoded_while_it_streams(size: int, piece: int) -> None:
    blob = hashlib.shake_128(b"seed").digest(size)
    octets = written(text_email(attachments=[{"blobId": "b"}]), {"b": blob}, piece)
    message = parse_message(octets)
    part = message.root.sub_parts[1]
    assert part_body(message, part) == blob
    assert part.type == "image/x-upload"  # nobody said, so what the upload was given as
    assert max(map(len, octets.split(b"\r\n"))) <= 78


def test_bodies_that_are_too_deep_or_too_many_are_refused() -> None:
    part: dict[str, Any] = TEXT
    for _ in range(60):
        part = {"type": "multipart/mixed", "subParts": [part]}
    assert faults(structure(part))
    assert len(faults(structure({"type": "multipart/mixed", "subParts": [TEXT] * 2000}))) == 1
    deepest: dict[str, Any] = TEXT
    for _ in range(49):
        deepest = {"type": "multipart/mixed", "subParts": [deepest]}
    octets = written(structure(deepest))
    assert [part.type for part in walk(parse_message(octets).root)][-1] == "text/plain"
