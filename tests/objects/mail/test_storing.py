"""Storing new messages on servers that say little or fail half-way, and copying between accounts, on a model server."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import pytest

from adapters.errors import AdapterError, Forbidden, InvalidData, OverQuota, Unavailable, Unsupported
from adapters.ports.mail import FetchPlan, IdSource, Keywords, MessageData
from adapters.ports.mail_write import Appended, FlagDelta, MailWritePort, Octets
from gateway.context import Account, Context, Login
from gateway.jmap.capabilities import CoreLimits
from gateway.jmap.datatype import Copy
from gateway.jmap.errors import MethodError, SetError
from gateway.objects import Blobs
from gateway.objects.mail import email_copy
from gateway.objects.mail.blob_ids import of_email
from gateway.objects.mail.capability import MAIL, mail_capability
from gateway.objects.mail.storing import Letter, Placer, message_id_of, store
from gateway.store.blobs import Uploads
from gateway.store.cache import ByteCache
from gateway.store.sqlite import SqliteStore
from gateway.sync.account import MailAccount
from tests.objects.mail.messages import message
from tests.sync.model import Entry, Message, ModelPort, ModelServer


class WritingPort(ModelPort, MailWritePort):
    """A model server that takes messages. Ids come from the content where `source` is a fingerprint.

    uidplus: it says where a message went, and removes single ones. refusing: by subject. copy_error: of each COPY.
    """

    def __init__(self, *, source: IdSource = "emailid", uidplus: bool = True) -> None:
        super().__init__(ModelServer(), source=source)
        self.uidplus = uidplus
        self.refusing: dict[bytes, AdapterError] = {}
        self.copy_error: AdapterError | None = None
        self.octets: dict[str, bytes] = {}
        self.appends = 0

    async def permanent_keywords(self, path: str) -> Keywords | None:
        return frozenset(["$seen", "work"])

    async def append(self, path: str, message: Octets, keywords: Keywords, received_at: int | None) -> Appended:
        self.appends += 1
        octets = b"".join([piece async for piece in message.read()])
        assert len(octets) == message.size
        for subject, error in self.refusing.items():
            if subject in octets:
                raise error
        self._call("append")
        uid = self.put(path, octets, keywords, received_at or 0)
        return Appended(self.server.folders[path].uid_validity, uid) if self.uidplus else Appended(0, 0)

    def put(self, path: str, octets: bytes, keywords: Keywords = frozenset(), received_at: int = 0) -> int:
        uid = self.server.append(path, keywords)
        entry = self.server.folders[path].entries[uid]
        stored = Message(entry.message.guid, str(hash(octets)), received_at, len(octets), entry.message.headers)
        self.server.folders[path].entries[uid] = Entry(stored, entry.keywords, entry.modseq)
        self.octets[stored.guid] = octets
        return uid

    async def copy(self, path: str, uid_validity: int, uids: Sequence[int], target: str) -> Mapping[int, int]:
        if self.copy_error is not None:
            raise self.copy_error
        return {uid: self.server.copy(path, uid, target) for uid in uids}

    async def move(self, path: str, uid_validity: int, uids: Sequence[int], target: str) -> Mapping[int, int]:
        return {uid: self.server.move(path, uid, target) for uid in uids}

    async def change_flags(
        self, path: str, uid_validity: int, deltas: Sequence[FlagDelta], since: int = 0
    ) -> Mapping[int, int]:
        for delta in deltas:
            for uid in delta.uids:
                keywords = self.server.folders[path].entries[uid].keywords
                self.server.flag(path, uid, (keywords - delta.remove) | delta.add)
        return {}

    async def create_folder(self, path: str, role: str | None) -> None:
        self.server.create(path, role)

    async def assign_role(self, path: str, role: str | None) -> None:
        raise Unsupported("this server keeps none")

    async def rename_folder(self, path: str, target: str) -> None:
        self.server.rename(path, target)

    async def delete_folder(self, path: str) -> None:
        self.server.delete(path)

    async def subscribe(self, path: str, subscribed: bool) -> None:
        self.server.folders[path].subscribed = subscribed

    async def expunge(self, path: str, uid_validity: int, uids: Sequence[int]) -> None:
        for uid in uids:
            self.server.expunge(path, uid)

    async def fetch(
        self, path: str, uid_validity: int, uids: Collection[int], plan: FetchPlan
    ) -> dict[int, MessageData]:
        entries = self._folder(path, uid_validity).entries
        return {
            uid: MessageData(uid, header=self.octets[entries[uid].message.guid].partition(b"\r\n\r\n")[0] + b"\r\n")
            for uid in uids
            if uid in entries
        }

    async def stream(self, path: str, uid_validity: int, uid: int, part_id: str | None) -> AsyncIterator[bytes]:
        yield self.octets[self._folder(path, uid_validity).entries[uid].message.guid]


async def opened(port: WritingPort, name: str = "account") -> MailAccount:
    mail = MailAccount(name, name, port, SqliteStore(None))
    await mail.refresh()
    return mail


def letter(mail: MailAccount, port: WritingPort, octets: bytes, *paths: str) -> Callable[[], Awaitable[Letter]]:
    async def write() -> Letter:
        async def read() -> AsyncIterator[bytes]:
            yield octets

        boxes = [mail.mailboxes.by_path(path or "INBOX") for path in paths or ("INBOX",)]
        placement = await Placer(mail, port).place([box.id for box in boxes if box], frozenset(["$seen"]), 1_000)
        return Letter(Octets(len(octets), read), message_id_of(octets), placement)

    return write


def created(answer: Mapping[str, Any] | SetError) -> Mapping[str, Any]:
    assert not isinstance(answer, SetError), answer
    return answer


def error_of(answer: Mapping[str, Any] | SetError) -> str:
    assert isinstance(answer, SetError)
    return answer.type


async def test_messages_are_found_on_a_server_that_does_not_say_where_they_went() -> None:
    port = WritingPort(uidplus=False)
    mail = await opened(port)
    texts = [message(f"Subject {n}", message_id=f"<{n}@example.org>") for n in range(5)]  # of one size
    texts.append(texts[0])

    def meddle(call: str) -> None:
        """Another client adds messages of the same size in between."""
        if call == "append":
            port.put("INBOX", message("Subject X", message_id="<x@example.org>"))

    port.meddle = meddle
    answers = await store(mail, port, {str(n): letter(mail, port, text) for n, text in enumerate(texts)})
    found = [created(answers[str(n)])["id"] for n in range(6)]
    assert len(set(found)) == 6
    for n, email_id in enumerate(found):
        (copy,) = mail.emails.copies(mail.emails.row(email_id) or 0)
        assert port.octets[port.server.folders["INBOX"].entries[copy.uid].message.guid] == texts[n]


async def test_one_that_is_refused_costs_only_itself() -> None:
    port = WritingPort()
    mail = await opened(port)
    port.refusing = {b"full": OverQuota("no room"), b"broken": InvalidData("bad"), b"never": Forbidden("no")}
    subjects = ["good", "full", "broken", "never", "fine"]
    answers = await store(mail, port, {name: letter(mail, port, message(name)) for name in subjects})
    types = {name: answer.type for name, answer in answers.items() if isinstance(answer, SetError)}
    assert types == {"full": "overQuota", "broken": "invalidEmail", "never": "forbidden"}
    assert len(mail.emails.all_rows()) == 2


async def test_an_outage_ends_the_attempts() -> None:
    port = WritingPort()
    mail = await opened(port)
    port.refusing = {b"gone": Unavailable("no answer")}
    subjects = ["first", "gone", "third", "fourth"]
    answers = await store(mail, port, {name: letter(mail, port, message(name)) for name in subjects})
    assert created(answers["first"])
    assert [error_of(answers[name]) for name in subjects[1:]] == ["serverUnavailable"] * 3
    assert port.appends == 2


@pytest.mark.parametrize("uidplus", [True, False])
async def test_several_mailboxes_hold_one_email(uidplus: bool) -> None:
    port = WritingPort(uidplus=uidplus)
    port.server.create("Second")
    port.server.create("Third")
    mail = await opened(port)
    answers = await store(mail, port, {"k": letter(mail, port, message(), "INBOX", "Second", "Third")})
    row = mail.emails.row(created(answers["k"])["id"])
    assert row is not None
    assert len(mail.emails.mailbox_ids(row)) == 3
    assert port.appends == 1


async def test_what_cannot_be_put_everywhere_is_put_nowhere() -> None:
    port = WritingPort()
    port.server.create("Second")
    mail = await opened(port)
    port.copy_error = OverQuota("no room in there")
    letters = {"two": letter(mail, port, message("two"), "INBOX", "Second"), "one": letter(mail, port, message("one"))}
    answers = await store(mail, port, letters)
    assert error_of(answers["two"]) == "overQuota"
    assert mail.emails.ids(mail.emails.all_rows()) == [created(answers["one"])["id"]]


async def test_another_copy_of_an_email_is_no_new_email() -> None:
    port = WritingPort(source="fingerprint")
    port.server.create("Second")
    mail = await opened(port)
    octets = message("same")
    first = created((await store(mail, port, {"k": letter(mail, port, octets)}))["k"])
    again = (await store(mail, port, {"k": letter(mail, port, octets, "Second")}))["k"]
    assert isinstance(again, SetError)
    assert again.to_json() == {"type": "alreadyExists", "existingId": first["id"]}  # RFC 8621 §4.8
    assert not port.server.folders["Second"].entries  # it was taken back
    assert len(mail.emails.all_rows()) == 1


async def test_an_outage_after_storing_is_a_partial_failure() -> None:
    port = WritingPort()
    mail = await opened(port)
    port.failing = 1  # the APPEND succeeds, the look afterwards does not
    with pytest.raises(MethodError) as caught:
        await store(mail, port, {"k": letter(mail, port, message())})
    assert caught.value.type == "serverPartialFail"


async def test_what_the_mailbox_cannot_hold_is_refused_before_it_is_sent() -> None:
    port = WritingPort()
    mail = await opened(port)
    inbox = mail.mailboxes.by_path("INBOX")
    assert inbox is not None
    placer = Placer(mail, port)
    assert (await placer.place([inbox.id], frozenset(["work", "$draft"]), 5)).received_at == 5
    for mailbox_ids, keywords, wanted in (
        ([inbox.id], ["play"], "invalidProperties"),
        ([inbox.id], [f"k{n}" for n in range(200)], "tooManyKeywords"),
        ([], [], "invalidProperties"),
        (["fnone"], [], "invalidProperties"),
    ):
        with pytest.raises(SetError) as caught:
            await placer.place(mailbox_ids, frozenset(keywords), None)
        assert caught.value.type == wanted


# Email/copy (RFC 8621 §4.7)


def account_of(mail: MailAccount) -> Account:
    return Account(mail.id, mail.id, True, False, {MAIL: mail_capability()}, mail)


async def test_emails_are_copied_between_accounts() -> None:
    source_port, target_port = WritingPort(), WritingPort()
    octets = message("to be copied") + bytes(range(1, 10)) * 20_000 + b"\r\n"
    source_port.put("INBOX", octets, frozenset(["$seen", "work"]), 1_500_000_000)
    source, target = await opened(source_port, "alice"), await opened(target_port, "bob")
    uploads = Uploads(SqliteStore(None), 60)
    accounts = {mail.id: account_of(mail) for mail in (source, target)}
    context = Context(
        Login("alice", accounts, {}), frozenset([MAIL]), CoreLimits(), uploads, Blobs(uploads), ByteCache(10_000), "r1"
    )
    (email_id,) = source.emails.ids(source.emails.all_rows())
    inbox = target.mailboxes.by_path("INBOX")
    assert inbox is not None
    box = {"mailboxIds": {inbox.id: True}}
    copies = {
        "as-is": Copy(email_id, box),
        "changed": Copy(email_id, box | {"keywords": {"$Draft": True}, "receivedAt": "2026-01-01T00:00:00Z"}),
        "unknown": Copy(of_email(email_id), box),
        "subject": Copy(email_id, box | {"subject": "other"}),
        "nowhere": Copy(email_id, {}),
    }
    answers = await email_copy.copy(context, accounts["alice"], accounts["bob"], copies)
    refused = {key: answer.type for key, answer in answers.items() if isinstance(answer, SetError)}
    assert refused == {"unknown": "notFound", "subject": "invalidProperties", "nowhere": "invalidProperties"}
    for key, keywords, received_at in (
        ("as-is", {"$seen", "work"}, 1_500_000_000),
        ("changed", {"$draft"}, 1767225600),
    ):
        row = target.emails.row(created(answers[key])["id"])
        assert row is not None
        assert target.emails.keywords(row) == keywords
        assert target.emails.received_at[row] == received_at
        assert created(answers[key])["size"] == len(octets)
    assert set(target_port.octets.values()) == {octets}
    assert len(source.emails.all_rows()) == 1
