"""Messages from other projects' test suites, stored on every server: Email/get says what Email/parse says of the same
octets, whether a message is fetched whole or in pieces, and nothing fails (RFC 8621 §4.2, §4.9)."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.client import JmapClient
from tests.formats.mail.corpus import messages
from tests.objects.mail.conftest import Tier
from tests.servers.imap_client import ImapClient

BATCH = 40
PROPERTIES = [
    *("size", "messageId", "inReplyTo", "references", "sender", "from", "to", "cc", "bcc", "replyTo", "subject"),
    *("sentAt", "headers", "hasAttachment", "preview", "bodyStructure", "bodyValues", "textBody", "htmlBody"),
    *("attachments", "header:Received:asRaw:all", "header:List-Post:asURLs", "header:Date:asDate"),
]
ARGUMENTS: Mapping[str, Any] = {
    "properties": PROPERTIES,
    "bodyProperties": [
        *("partId", "size", "headers", "name", "type", "charset", "disposition", "cid", "language", "location"),
        *("subParts", "header:Content-Type"),
    ],
    "fetchAllBodyValues": True,
}

LINE_END = "counts the line end before the delimiter to an attached message whose own last line it is"
UNENDED = "a delimiter of the outer multipart begins a part of an inner one that was not ended"
SAME = "the last delimiter ends both of two multiparts that have one boundary"
TWO_TYPES = "the last of two Content-Types counts, the first does here"
ENCODING = 'takes "8 bit" for 7bit'
ENCLOSED = dict.fromkeys([f"flanker/enclosed{kind}.eml" for kind in ("", "-bad-encoding", "-broken-body")], LINE_END)
ON_DOVECOT = {
    **ENCLOSED,
    **dict.fromkeys(["mail-parser/eml_malformed_022.eml", "mail-parser/eml_thirdparty_015.eml"], LINE_END),
    "mail-parser/eml_thirdparty_004.eml": ENCODING,
}
ON_CYRUS = {
    **ENCLOSED,
    **dict.fromkeys([f"mail-parser/eml_malformed_{number:03}.eml" for number in (1, 8, 9)], UNENDED),
    "mime4j/mimetools-testmsgs_multi-frag.eml": UNENDED,
    **dict.fromkeys(["cpython/msg_15.eml", "cpython/msg_39.eml"], SAME),
    **dict.fromkeys([f"mail-parser/eml_malformed_{number:03}.eml" for number in (7, 20)], TWO_TYPES),
    "mail-parser/eml_thirdparty_004.eml": ENCODING,
    "mime4j/testmsgs_missing-inner-start-boundary.eml": "an empty text part stands for a multipart without parts",
    "flanker/long-header.eml": "reads 1,000 lines of a header (maxheaderlines); the Content-Type is behind them",
}
READ_OTHERWISE = {"dovecot": ON_DOVECOT, "plain": ON_DOVECOT, "cyrus": ON_CYRUS}
"""Tier -> damaged messages whose parts the server finds otherwise than the gateway, and what it does."""


def with_crlf(octets: bytes) -> bytes:
    """Every line end as CRLF."""
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def stored(imap: ImapClient, messages: Mapping[str, bytes]) -> dict[str, tuple[str, bytes]]:
    """Moment of arrival -> name and octets as the server keeps them, of the messages that it takes.

    Cyrus refuses bare control characters and puts an X for each octet above 127 in a header.
    """
    moments = {}
    for number, (name, octets) in enumerate(messages.items()):
        clock = f"{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}"
        status, _ = imap.imap.append("INBOX", "", f'" 1-Oct-2026 {clock} +0000"', octets)
        if status == "OK":
            moments[f"2026-10-01T{clock}Z"] = name
    imap.select("INBOX")
    kept = [part[1] for part in imap.uid("FETCH", "1:*", "(BODY.PEEK[])") if isinstance(part, tuple)]
    return {moment: (name, octets) for (moment, name), octets in zip(moments.items(), kept, strict=True)}


async def parse_all(jmap: JmapClient, messages: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """What Email/parse makes of them; those that it takes for no message are left out."""
    blobs = {name: (await jmap.upload(octets))["blobId"] for name, octets in messages.items()}
    found: dict[str, dict[str, Any]] = {}
    names = list(blobs)
    for start in range(0, len(names), BATCH):
        page = names[start : start + BATCH]
        answer = await jmap.call("Email/parse", blobIds=[blobs[name] for name in page], **ARGUMENTS)
        assert not answer["notFound"]
        parsed = answer["parsed"] or {}
        found |= {name: parsed[blobs[name]] for name in page if blobs[name] in parsed}
    return found


async def got(jmap: JmapClient, ids: Mapping[str, str], **arguments: Any) -> dict[str, dict[str, Any]]:
    """What Email/get says of them, of every one."""
    names = {email_id: name for name, email_id in ids.items()}
    found: dict[str, dict[str, Any]] = {}
    wanted = list(names)
    for start in range(0, len(wanted), BATCH):
        answer = await jmap.call("Email/get", ids=wanted[start : start + BATCH], **ARGUMENTS, **arguments)
        assert not answer["notFound"]
        found |= {names[email.pop("id")]: email for email in answer["list"]}
    return found


async def test_email_get_says_what_email_parse_says(
    tier: Tier, jmap: JmapClient, imap: ImapClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = {name: with_crlf(octets) for name, octets in messages().items()}
    kept = stored(imap, corpus)
    assert len(kept) > len(corpus) * 0.95
    answer = await jmap.call("Email/get", ids=None, properties=["receivedAt"])
    ids = {kept[email["receivedAt"]][0]: email["id"] for email in answer["list"]}
    expected = await parse_all(jmap, dict(kept.values()))
    assert len(expected) > len(kept) - 3

    monkeypatch.setattr("gateway.objects.mail.wanted.WHOLE_LIMIT", 1 << 30)
    whole = await got(jmap, ids)
    assert len(whole) == len(kept)
    assert {name: whole[name] for name in expected} == expected

    monkeypatch.setattr("gateway.objects.mail.wanted.WHOLE_LIMIT", 0)
    in_pieces = await got(jmap, ids, maxBodyValueBytes=1_000_000)  # not as remembered from before
    assert len(in_pieces) == len(kept)
    different = {name for name in expected if comparable(tier, in_pieces[name]) != comparable(tier, expected[name])}
    assert different == set(READ_OTHERWISE[tier.name])
    for name, email in in_pieces.items():
        assert all(0 <= size <= email["size"] for size in sizes(email["bodyStructure"])), name
        assert len(email["preview"]) <= 256  # RFC 8621 §4.1.4


def comparable(tier: Tier, email: Mapping[str, Any]) -> dict[str, Any]:
    """All that does not depend on the server: the preview where it makes none; Cyrus writes languages in capitals."""
    names = [name for name in PROPERTIES if name != "preview" or tier.name != "dovecot"]
    return {name: in_lower_case(email[name]) if tier.name == "cyrus" else email[name] for name in names}


def in_lower_case(value: Any) -> Any:
    """The same with the language of each part in lower case."""
    if isinstance(value, list):
        return [in_lower_case(item) for item in value]
    if not isinstance(value, dict):
        return value
    rest = {name: in_lower_case(item) for name, item in value.items()}
    if rest.get("language"):
        rest["language"] = [language.lower() for language in rest["language"]]
    return rest


def sizes(part: Mapping[str, Any]) -> list[int]:
    """The sizes of all parts, in the order of the message."""
    return [part["size"], *(size for child in part["subParts"] or [] for size in sizes(child))]
