"""The sample account's mail: conversations, lists, reports, drafts and a folder of real messages of other programs.

Everything is made from `data/` and a fixed seed: the same day gives the same messages, byte for byte.
"""

import base64
import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime
from importlib import resources
from typing import TypedDict, cast

DOMAIN = "example.org"
SEED = 20260716
OWNER = "alice"  # has everything; the others only the conversations in which they wrote
READ_AFTER = timedelta(days=3)
BULLETIN_WEEKS = 26
REPORT_DAYS = 60
INVOICE_MONTHS = 6

_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFklEQVR4nGNgaPiPFTEMKYn/2BHDIJIAAFdPf4GnM4q+AAAAAElFTkSuQmCC"
)
_CSV = b"quarter,amount\r\n1,118\r\n2,124\r\n3,131\r\n"
_PDF = b"%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n%%EOF\n"
_TEXT = b"Minutes\r\n\r\n1. The door\r\n2. The wiki\r\n3. The meeting in April\r\n"
ATTACHMENTS = {
    "csv": ("text", "csv", _CSV),
    "pdf": ("application", "pdf", _PDF),
    "png": ("image", "png", _PNG),
    "txt": ("text", "plain", _TEXT),
}

HIKES = ("Ridge path", "Lake tour", "Old mill", "Three castles", "Night walk", "Snow shoes", "Coast trail", "Gorge")
ANSWERS = (
    "I'll come, and I can take two more in the car.",
    "Not this time, my boots are at the cobbler's.",
    "Is there an inn on the way, or do we bring our own bread?",
    "The weather looks doubtful. Shall we decide on Saturday evening?",
    "We did it two years ago: lovely, but slippery after rain.",
    "My sister would like to join, is there room?",
)
JUNK = (
    "You have been chosen",
    "Re: your parcel could not be delivered",
    "Lose ten pounds by Tuesday",
    "Cheap watches, real gold",
    "URGENT: confirm your account",
    "Make money while you sleep",
    "Invoice overdue, open the attachment",
    "A prince needs your help",
)
HIKERS = ("heidi", "frank", "ken", "grace", "judy")


class Conversation(TypedDict):
    """One table of `data/conversations.toml`."""

    mailbox: str
    subject: str
    days: int
    attachment: str
    messages: list[tuple[str, str]]


@dataclass(frozen=True)
class SampleMessage:
    """A message as it is stored: mailbox (levels separated by "/"), IMAP flags, INTERNALDATE and bytes (CRLF)."""

    mailbox: str
    flags: tuple[str, ...]
    received: datetime
    content: bytes


def sample_mail(owner: str, until: datetime) -> list[SampleMessage]:
    """The owner's messages, oldest first; the newest is hours before `until` (an aware datetime)."""
    # Seeded for repeatability; nothing here is a secret.
    chance = random.Random(SEED)  # noqa: S311 - the same mail each time
    messages = list(_conversations(owner, until))
    if owner == OWNER:
        messages += _bulletins(until)
        messages += _reports(until, chance)
        messages += _invoices(until)
        messages += _hikes(until, chance)
        messages += _junk(until, chance)
        messages += _unsent(until)
        messages += _samples(until)
    return sorted(messages, key=lambda message: message.received)


def address(name: str) -> str:
    """A user's address with display name."""
    return f"{name.capitalize()} <{name}@{DOMAIN}>"


def _conversations(owner: str, until: datetime) -> Iterator[SampleMessage]:
    text = _data("conversations.toml").decode()
    for conversation in cast("list[Conversation]", tomllib.loads(text)["conversation"]):
        people = list(dict.fromkeys([who for who, _ in conversation["messages"]] + [OWNER]))
        if owner in people:
            yield from _conversation(conversation, people, owner, until)


def _conversation(
    conversation: Conversation, people: list[str], owner: str, until: datetime
) -> Iterator[SampleMessage]:
    subject = conversation["subject"]
    writers = [who for who, _ in conversation["messages"]]
    earlier: list[tuple[str, str, str]] = []  # Message-ID, writer, text
    for number, (who, text) in enumerate(conversation["messages"]):
        sent = until - timedelta(days=conversation["days"], hours=5) + timedelta(hours=3 * number, minutes=17)
        message = _message(who, sent, subject if number == 0 else _reply(subject))
        message["To"] = ", ".join(address(name) for name in people if name != who)
        body = text
        if earlier:
            message["In-Reply-To"] = earlier[-1][0]
            message["References"] = " ".join(message_id for message_id, _, _ in earlier)
            body += f"\n\n{earlier[-1][1].capitalize()} wrote:\n> {earlier[-1][2]}"
        message.set_content(f"{body}\n\n{who.capitalize()}\n")
        if number == 0 and "attachment" in conversation:
            _attach(message, conversation["attachment"])
        answered = owner in writers[number + 1 :]
        mailbox = "Sent" if who == owner else conversation["mailbox"]
        yield _stored(mailbox, message, sent, until, ("\\Answered",) if answered else ())
        earlier.append((message["Message-ID"], who, text))


def _bulletins(until: datetime) -> Iterator[SampleMessage]:
    for week in range(BULLETIN_WEEKS):
        sent = until - timedelta(weeks=week, hours=7)
        issue = BULLETIN_WEEKS - week
        message = _message("bulletin", sent, f"Harbour Bulletin {issue}: what is on this week")
        message["To"] = address(OWNER)
        message["List-Id"] = f"Harbour Bulletin <bulletin.{DOMAIN}>"
        message["List-Unsubscribe"] = f"<mailto:bulletin-leave@{DOMAIN}>"
        message.set_content(f"Issue {issue}\n\nMarket on Saturday, concert on Sunday, low tide at {issue % 12}.30.\n")
        message.add_alternative(
            f"<html><body><h1>Issue {issue}</h1><p>Market on <b>Saturday</b>, concert on <i>Sunday</i>, low tide at "
            f'{issue % 12}.30.</p><p><a href="https://{DOMAIN}/bulletin/{issue}">Read more</a></p></body></html>',
            subtype="html",
        )
        yield _stored("Lists/Bulletin", message, sent, until)


def _reports(until: datetime, chance: random.Random) -> Iterator[SampleMessage]:
    for day in range(REPORT_DAYS):
        sent = until - timedelta(days=day, hours=3)
        number = 1000 + REPORT_DAYS - day
        failed = chance.random() < 0.15
        message = _message("build", sent, f"[website] build {number} {'failed' if failed else 'passed'}")
        message["To"] = address(OWNER)
        message["Auto-Submitted"] = "auto-generated"
        seconds = chance.randrange(60, 400)
        outcome = "2 of 318 tests failed" if failed else "318 tests passed"
        message.set_content(f"Build {number}: {outcome} in {seconds} s.\n\nhttps://{DOMAIN}/builds/{number}\n")
        yield _stored("Notifications", message, sent, until, ("\\Flagged",) if failed else ())


def _invoices(until: datetime) -> Iterator[SampleMessage]:
    for month in range(INVOICE_MONTHS):
        sent = until - timedelta(days=30 * month + 4)
        message = _message("accounts", sent, f"Invoice {sent:%Y-%m}")
        message["To"] = address(OWNER)
        message.set_content("Dear customer,\n\nyour invoice is attached.\n")
        _attach(message, f"invoice-{sent:%Y-%m}.pdf")
        yield _stored("INBOX" if month == 0 else "Archive", message, sent, until)


def _hikes(until: datetime, chance: random.Random) -> Iterator[SampleMessage]:
    for week, hike in enumerate(HIKES):
        first = ""
        for number in range(5):
            who = chance.choice(HIKERS)
            sent = until - timedelta(weeks=2 * week + 1) + timedelta(hours=5 * number)
            subject = f"[hiking] {hike}"
            message = _message(who, sent, _reply(subject) if number else subject)
            message["To"] = f"hiking@{DOMAIN}"
            message["List-Id"] = f"Hiking <hiking.{DOMAIN}>"
            if number:
                message["In-Reply-To"] = first
                message["References"] = first
            message.set_content(f"{chance.choice(ANSWERS) if number else f'{hike} on Sunday: who comes?'}\n")
            yield _stored("INBOX", message, sent, until)
            first = first or message["Message-ID"]


def _junk(until: datetime, chance: random.Random) -> Iterator[SampleMessage]:
    for number, subject in enumerate(JUNK):
        sent = until - timedelta(days=2 * number, hours=chance.randrange(1, 20))
        message = _message("offers", sent, subject)
        message["To"] = address(OWNER)
        message.set_content(f"<html><body><p><font size=7>{subject}!</font></p></body></html>", subtype="html")
        yield _stored("Junk" if number % 3 else "Trash", message, sent, until, ("$Junk",))


def _unsent(until: datetime) -> Iterator[SampleMessage]:
    drafts = (("Holiday plans", "Dear Heidi,\n\nhow about the last week of"), ("Note about the door", "The door of"))
    for number, (subject, text) in enumerate(drafts):
        written = until - timedelta(days=number, hours=2)
        message = _message(OWNER, written, subject)
        message.set_content(text + "\n")
        yield _stored("Drafts", message, written, until, ("\\Draft", "\\Seen"))


def _samples(until: datetime) -> Iterator[SampleMessage]:
    folder = resources.files("gateway.demo") / "data" / "messages"
    for number, file in enumerate(sorted(folder.iterdir(), key=lambda entry: entry.name)):
        content = b"\r\n".join(file.read_bytes().splitlines()) + b"\r\n"
        yield SampleMessage("Samples", ("\\Seen",), until - timedelta(days=130 + number), content)


def _message(sender: str, sent: datetime, subject: str) -> EmailMessage:
    message = EmailMessage(policy=policy.SMTP)
    message["From"] = address(sender)
    message["Subject"] = subject
    message["Date"] = format_datetime(sent)
    message["Message-ID"] = f"<{sent:%Y%m%d%H%M}.{sender}.{sum(subject.encode())}@{DOMAIN}>"
    return message


def _attach(message: EmailMessage, filename: str) -> None:
    maintype, subtype, content = ATTACHMENTS[filename.rsplit(".", 1)[1]]
    message.add_attachment(content, maintype=maintype, subtype=subtype, filename=filename)


def _stored(
    mailbox: str, message: EmailMessage, received: datetime, until: datetime, flags: tuple[str, ...] = ()
) -> SampleMessage:
    read = mailbox == "Sent" or (received < until - READ_AFTER and mailbox not in {"Junk", "Trash"})
    for number, part in enumerate(message.walk()):
        if part.is_multipart():  # else the library would draw one that differs from run to run
            part.set_boundary(f"=_part{number}_{received:%Y%m%d%H%M}")
    return SampleMessage(mailbox, (*flags, "\\Seen") if read else flags, received, message.as_bytes())


def _reply(subject: str) -> str:
    return subject if subject.startswith("Re: ") else f"Re: {subject}"


def _data(name: str) -> bytes:
    return (resources.files("gateway.demo") / "data" / name).read_bytes()
