"""Blob/upload, Blob/get, Blob/lookup (RFC 9404) through a whole gateway on Dovecot."""

import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.objects.core.blob_capability import DIGESTS, MAX_DATA_SOURCES
from gateway.objects.core.blob_get import MAX_DATA
from gateway.objects.core.blob_octets import read, size_of
from gateway.store.blobs import OpenBlob
from tests.client import CORE, MAIL, JmapClient, Sentence, jmap_client
from tests.gateway import running_gateway
from tests.objects.mail.messages import with_attachment
from tests.servers.dovecot import Dovecot
from tests.servers.imap_client import imap_client
from tests.servers.users import User, fresh_user

BLOB = "urn:ietf:params:jmap:blob"
LIMIT = 30_000_000
FOX = b"The quick brown fox jumped over the lazy dog."
BROKEN = b"The quick brown fox jumped over the \x81\x81 dog."


@pytest.fixture(scope="module")
async def url(dovecot: Dovecot) -> AsyncIterator[str]:
    async with running_gateway(dovecot, limits__max_size_upload=str(LIMIT)) as found:
        yield found


@pytest.fixture
def user(dovecot: Dovecot) -> User:
    return fresh_user(dovecot)


@pytest.fixture
async def jmap(url: str, user: User) -> AsyncIterator[JmapClient]:
    async with jmap_client(url, user.name, user.password) as client:
        yield client


async def ask(jmap: JmapClient, *calls: tuple[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The arguments of the answers to calls that succeed."""
    answers = await said(jmap, *calls)
    assert [name for name, _, _ in answers] == [name for name, _ in calls], answers
    return [arguments for _, arguments, _ in answers]


async def said(jmap: JmapClient, *calls: tuple[str, dict[str, Any]], mail: bool = True) -> list[Sentence]:
    return await jmap.sentences(*calls, using=(CORE, MAIL, BLOB) if mail else (CORE, BLOB))


async def created(jmap: JmapClient, *data: dict[str, Any], **members: Any) -> dict[str, Any]:
    (answer,) = await ask(jmap, ("Blob/upload", {"create": {"b": {"data": list(data), **members}}}))
    assert answer["notCreated"] is None, answer
    blob: dict[str, Any] = answer["created"]["b"]
    return blob


async def refused(jmap: JmapClient, upload: dict[str, Any]) -> dict[str, Any]:
    (answer,) = await ask(jmap, ("Blob/upload", {"create": {"b": upload}}))
    assert answer["created"] is None, answer
    error: dict[str, Any] = answer["notCreated"]["b"]
    return error


def text(value: str) -> dict[str, Any]:
    return {"data:asText": value}


def octets(value: bytes) -> dict[str, Any]:
    return {"data:asBase64": base64.b64encode(value).decode()}


# The session


async def test_the_capability_says_what_is_enforced(jmap: JmapClient) -> None:
    account = jmap.session["accounts"][jmap.account]
    assert account["accountCapabilities"][BLOB] == {
        "maxSizeBlobSet": LIMIT,
        "maxDataSources": MAX_DATA_SOURCES,
        "supportedTypeNames": ["Mailbox", "Thread", "Email"],
        "supportedDigestAlgorithms": ["sha-256", "sha-512", "sha"],
    }
    assert jmap.session["capabilities"][BLOB] == {}
    assert jmap.session["primaryAccounts"][BLOB] == jmap.account


async def test_the_methods_need_their_capability(jmap: JmapClient) -> None:
    error = await jmap.error("Blob/upload", create={})
    assert error["type"] == "unknownMethod"


# Blob/upload


async def test_the_complex_example_of_the_standard(jmap: JmapClient) -> None:
    sources = [
        text("How"),
        {"blobId": "#b4", "length": 7, "offset": 3},
        text("was t"),
        {"blobId": "#b4", "length": 1, "offset": 1},
        {"data:asBase64": "YXQ/"},
    ]
    _, _, got = await ask(
        jmap,
        ("Blob/upload", {"create": {"b4": {"data": [text(FOX.decode())]}}}),
        ("Blob/upload", {"create": {"cat": {"data": sources}}}),
        ("Blob/get", {"ids": ["#cat"], "properties": ["data:asText", "size"]}),
    )
    (blob,) = got["list"]
    assert (blob["data:asText"], blob["size"]) == ("How quick was that?", 19)


async def test_a_blob_keeps_its_type_and_is_downloaded(jmap: JmapClient) -> None:
    blob = await created(jmap, octets(b"\x00\xff"), text("é"), type="text/x-odd")
    assert (blob["type"], blob["size"]) == ("text/x-odd", 4)
    assert await jmap.download(blob["id"]) == b"\x00\xff\xc3\xa9"


async def test_an_upload_of_the_upload_resource_is_a_source_as_well(jmap: JmapClient) -> None:
    uploaded = await jmap.upload(b"0123456789" * 100_000)  # several pieces of the store
    blob = await created(jmap, {"blobId": uploaded["blobId"], "offset": 5}, {"blobId": uploaded["blobId"], "length": 5})
    assert await jmap.download(blob["id"]) == (b"0123456789" * 100_000)[5:] + b"01234"


async def test_no_sources_make_an_empty_blob(jmap: JmapClient) -> None:
    blob = await created(jmap)
    assert (blob["size"], blob["type"]) == (0, "application/octet-stream")
    assert await jmap.download(blob["id"]) == b""
    nulls = {"blobId": blob["id"], "offset": None, "length": None, "data:asText": None, "data:asBase64": None}
    empty = {"blobId": blob["id"], "offset": 0, "length": 0}
    same = await created(jmap, empty, nulls, text(""), {"data:asBase64": ""}, type=None)
    assert same["id"] == blob["id"]


async def test_references_inside_one_call_go_in_any_order(jmap: JmapClient) -> None:
    create = {
        "last": {"data": [{"blobId": "#middle"}, text("c")]},
        "middle": {"data": [{"blobId": "#first"}, text("b")]},
        "first": {"data": [text("a")]},
        "self": {"data": [{"blobId": "#self"}]},
        "lost": {"data": [{"blobId": "#nowhere"}]},
    }
    answer, got = await ask(jmap, ("Blob/upload", {"create": create}), ("Blob/get", {"ids": ["#last"]}))
    assert got["list"][0]["data:asText"] == "abc"
    assert answer["created"].keys() == {"first", "middle", "last"}
    assert {key: error["type"] for key, error in answer["notCreated"].items()} == {
        "self": "invalidProperties",
        "lost": "invalidProperties",
    }


@pytest.mark.parametrize(
    "source",
    [
        {"data:asBase64": "YQ"},
        {"data:asBase64": "Y Q="},
        {"data:asBase64": "YQ==\n"},
        {"data:asBase64": "YQ-_"},
        {"data:asBase64": "é"},
        {},
        {"data:asText": None},
        {"data:asText": "a", "data:asBase64": "YQ=="},
        {"data:asText": "a", "offset": 0},
        {"data:asText": "a", "more": 1},
        {"data:asText": 1},
        {"blobId": "unone"},
        {"blobId": "#unone"},
        {"blobId": "no blob"},
        {"blobId": "{fox}", "offset": -1},
        {"blobId": "{fox}", "offset": 46},
        {"blobId": "{fox}", "length": 46},
        {"blobId": "{fox}", "offset": 45, "length": 1},
        "text",
    ],
)
async def test_a_source_that_is_not_exactly_right_is_refused(jmap: JmapClient, source: Any) -> None:
    fox = await jmap.upload(FOX)
    if isinstance(source, dict) and source.get("blobId") == "{fox}":
        source = source | {"blobId": fox["blobId"]}
    error = await refused(jmap, {"data": [text("before"), source]})
    assert (error["type"], error["properties"]) == ("invalidProperties", ["data"])


async def test_an_upload_object_without_data_or_with_a_wrong_type_is_refused(jmap: JmapClient) -> None:
    types: tuple[Any, ...] = ("x" * 256, "", "text/plain\r\nX-Header: 1", "text/plain\n", "text/é", 1)
    uploads: list[dict[str, Any]] = [
        {},
        {"data": text("a")},
        {"data": [], "size": 0},
        *({"data": [], "type": name} for name in types),
    ]
    for upload in uploads:
        assert (await refused(jmap, upload))["type"] == "invalidProperties"


async def test_the_limits_are_those_of_the_session(jmap: JmapClient) -> None:
    assert (await created(jmap, *[text("a")] * MAX_DATA_SOURCES))["size"] == MAX_DATA_SOURCES
    assert (await refused(jmap, {"data": [text("a")] * (MAX_DATA_SOURCES + 1)}))["type"] == "invalidProperties"
    million = {"blobId": (await jmap.upload(bytes(1_000_000)))["blobId"]}
    assert (await created(jmap, *[million] * 30))["size"] == LIMIT
    assert (await refused(jmap, {"data": [million] * 30 + [text("a")]}))["type"] == "tooLarge"


async def test_another_users_blob_is_no_source(url: str, dovecot: Dovecot, jmap: JmapClient) -> None:
    other = fresh_user(dovecot)
    async with jmap_client(url, other.name, other.password) as theirs:
        secret = await theirs.upload(b"secret")
    assert (await refused(jmap, {"data": [{"blobId": secret["blobId"]}]}))["type"] == "invalidProperties"
    get, lookup = await ask(
        jmap,
        ("Blob/get", {"ids": [secret["blobId"]]}),
        ("Blob/lookup", {"ids": [secret["blobId"]], "typeNames": ["Email"]}),
    )
    assert (get["list"], get["notFound"]) == ([], [secret["blobId"]])
    assert lookup["list"] == [{"id": secret["blobId"], "matchedIds": {"Email": []}}]


# Blob/get


async def test_the_examples_with_ranges_and_encoding_errors(jmap: JmapClient) -> None:
    upload = {"b1": {"data": [octets(BROKEN)]}, "b2": {"data": [text("hello world")], "type": "text/plain"}}
    both = {"ids": ["#b1", "#b2"]}
    answers = await ask(
        jmap,
        ("Blob/upload", {"create": upload}),
        ("Blob/get", both),
        ("Blob/get", {**both, "properties": ["data:asText", "size"]}),
        ("Blob/get", {**both, "properties": ["data:asBase64", "size"]}),
        ("Blob/get", {**both, "offset": 0, "length": 5}),
        ("Blob/get", {**both, "offset": 20, "length": 100}),
    )
    ids = [answers[0]["created"][key]["id"] for key in ("b1", "b2")]
    broken, hello = (base64.b64encode(value).decode() for value in (BROKEN, b"hello world"))
    tail = base64.b64encode(BROKEN[20:]).decode()
    expected: list[list[dict[str, Any]]] = [
        [{"isEncodingProblem": True, "data:asBase64": broken}, {"data:asText": "hello world"}],
        [{"isEncodingProblem": True, "data:asText": None}, {"data:asText": "hello world"}],
        [{"data:asBase64": broken}, {"data:asBase64": hello}],
        [{"data:asText": "The q"}, {"data:asText": "hello"}],
        [
            {"isTruncated": True, "isEncodingProblem": True, "data:asBase64": tail},
            {"isTruncated": True, "data:asText": ""},
        ],
    ]
    for answer, (one, two) in zip(answers[1:], expected, strict=True):
        assert answer["list"] == [{"id": ids[0], "size": 43, **one}, {"id": ids[1], "size": 11, **two}]


async def test_digests_are_of_the_range(jmap: JmapClient) -> None:
    blob = await created(jmap, text(FOX.decode()))
    names = [f"digest:{name}" for name in DIGESTS]
    whole, part = await ask(
        jmap,
        ("Blob/get", {"ids": [blob["id"], "not-a-blob"], "properties": names}),
        ("Blob/get", {"ids": [blob["id"]], "properties": names, "offset": 4, "length": 9}),
    )
    assert whole["notFound"] == ["not-a-blob"]
    assert whole["list"][0]["digest:sha"] == "wIVPufsDxBzOOALLDSIFKebu+U4="
    assert part["list"][0]["digest:sha"] == "QiRAPtfyX8K6tm1iOAtZ87Xj3Ww="
    assert part["list"][0]["digest:sha-256"] == "gdg9INW7lwHK6OQ9u0dwDz2ZY/gubi0En0xlFpKt0OA="
    sha512 = base64.b64encode(hashlib.sha512(FOX).digest()).decode()
    assert whole["list"][0]["digest:sha-512"] == sha512
    assert whole["list"][0].keys() == {"id", *names}


async def test_a_character_cut_in_two_is_no_text(jmap: JmapClient) -> None:
    blob = await created(jmap, text("aé"))
    (answer,) = await ask(jmap, ("Blob/get", {"ids": [blob["id"]], "length": 2}))
    assert answer["list"] == [{"id": blob["id"], "isEncodingProblem": True, "data:asBase64": "YcM=", "size": 3}]


@pytest.mark.parametrize(
    ("range_", "truncated"),
    [
        ({"offset": 11}, False),
        ({"offset": 12}, True),
        ({"offset": 0, "length": 11}, False),
        ({"offset": 0, "length": 12}, True),
        ({"offset": 11, "length": 0}, False),
        ({"offset": 2**53 - 1, "length": 2**53 - 1}, True),
    ],
)
async def test_a_range_beyond_the_end_is_truncated(jmap: JmapClient, range_: dict[str, int], truncated: bool) -> None:
    blob = await created(jmap, text("hello world"))
    (answer,) = await ask(jmap, ("Blob/get", {"ids": [blob["id"]], **range_}))
    assert answer["list"][0].get("isTruncated", False) is truncated
    assert answer["list"][0]["size"] == 11


async def test_a_property_that_there_is_not_and_null_ids_are_refused(jmap: JmapClient) -> None:
    for arguments in ({"ids": [], "properties": ["digest:md5"]}, {"ids": None}, {"ids": [], "offset": -1}):
        ((name, error, _),) = await said(jmap, ("Blob/get", arguments))
        assert (name, error["type"]) == ("error", "invalidArguments")


async def test_no_answer_holds_more_than_it_may(jmap: JmapClient) -> None:
    million = {"blobId": (await jmap.upload(bytes(1_000_000)))["blobId"]}
    half = [million] * (MAX_DATA // 2_000_000)
    ids = [(await created(jmap, *half, text(str(number))))["id"] for number in range(3)]
    (pair,) = await ask(jmap, ("Blob/get", {"ids": ids[:2], "length": MAX_DATA // 2}))
    assert len(pair["list"]) == 2
    ((name, error, _),) = await said(jmap, ("Blob/get", {"ids": ids[:2]}))
    assert (name, error["type"]) == ("error", "requestTooLarge")
    (digests,) = await ask(jmap, ("Blob/get", {"ids": ids, "properties": ["digest:sha-256", "size"]}))
    assert [blob["size"] for blob in digests["list"]] == [MAX_DATA // 2 + 1] * 3


async def test_a_message_and_its_attachment_are_read(dovecot: Dovecot, user: User, jmap: JmapClient) -> None:
    message = with_attachment("Blobs")
    with imap_client(dovecot, user) as imap:
        imap.append("INBOX", message)
    (email,) = (await _emails(jmap))["list"]
    part = email["attachments"][0]["blobId"]
    (answer,) = await ask(jmap, ("Blob/get", {"ids": [email["blobId"], part], "properties": ["data:asBase64"]}))
    assert [base64.b64decode(blob["data:asBase64"]) for blob in answer["list"]] == [message, b"\x00\x01binary"]
    blob = await created(jmap, {"blobId": part, "offset": 2}, {"blobId": email["blobId"], "length": 4})
    assert await jmap.download(blob["id"]) == b"binary" + message[:4]


# Blob/lookup


async def test_a_message_blob_leads_to_its_email_thread_and_mailboxes(
    dovecot: Dovecot, user: User, jmap: JmapClient
) -> None:
    with imap_client(dovecot, user) as imap:
        imap.append("INBOX", with_attachment("Looked up"))
    (email,) = (await _emails(jmap))["list"]
    part = email["attachments"][0]["blobId"]
    upload = (await jmap.upload(b"\x00\x01binary"))["blobId"]
    missing = f"{email['blobId']}-99"
    ids = [email["blobId"], part, missing, upload, "not-a-blob"]
    (answer,) = await ask(jmap, ("Blob/lookup", {"ids": ids, "typeNames": ["Mailbox", "Thread", "Email"]}))
    found = {"Mailbox": list(email["mailboxIds"]), "Thread": [email["threadId"]], "Email": [email["id"]]}
    nothing: dict[str, list[str]] = {"Mailbox": [], "Thread": [], "Email": []}
    assert answer["list"] == [
        {"id": email["blobId"], "matchedIds": found},
        {"id": part, "matchedIds": found},
        *({"id": name, "matchedIds": nothing} for name in (missing, upload, "not-a-blob")),
    ]


async def test_a_type_that_is_unknown_or_not_in_use_is_refused(jmap: JmapClient) -> None:
    ((_, error, _),) = await said(jmap, ("Blob/lookup", {"ids": [], "typeNames": ["Email", "Quota"]}))
    assert error["type"] == "unknownDataType"
    ((_, error, _),) = await said(jmap, ("Blob/lookup", {"ids": [], "typeNames": ["Email"]}), mail=False)
    assert error["type"] == "unknownDataType"


async def _emails(jmap: JmapClient) -> dict[str, Any]:
    ids = (await jmap.call("Email/query"))["ids"]
    names = ["blobId", "threadId", "mailboxIds", "attachments"]
    return await jmap.call("Email/get", ids=ids, properties=names)


# A blob whose size nobody knows


async def test_a_blob_of_unknown_size_is_counted() -> None:
    async def pieces(start: int, stop: int | None) -> AsyncIterator[bytes]:
        for index in range(start, len(FOX) if stop is None else min(stop, len(FOX))):
            yield FOX[index : index + 1]

    blob = OpenBlob(None, None, pieces)
    size = await size_of(blob)
    assert size == len(FOX)
    found = await read(blob, size, 40, 10, ["sha-256"], 10)
    assert (found.data, found.truncated) == (FOX[40:], True)
    assert found.digests["sha-256"] == base64.b64encode(hashlib.sha256(FOX[40:]).digest()).decode()
