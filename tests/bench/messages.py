"""Made-up mail for the benches: believable threads, about 1.45 kB a message, the same every time."""

import random
import time
from dataclasses import dataclass
from email.utils import formatdate
from typing import Final

START: Final = 1_600_000_000
STEP: Final = 900
"""Seconds between two messages."""

_PEOPLE: Final = [f"Person {n} <person{n}@{'example.org' if n % 3 else 'example.com'}>" for n in range(60)]
_SYLLABLES: Final = ["ba", "de", "ki", "lo", "mu", "na", "per", "quo", "ri", "sta", "tor", "ven"]
_WORDS: Final = [a + b + c for a in _SYLLABLES for b in _SYLLABLES for c in _SYLLABLES]
_PER_THREAD: Final = 3
RARE: Final = 997
"""How many rare words there are; message n holds the rare word n % RARE."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message with LF line ends. received: INTERNALDATE in seconds since 1970."""

    received: int
    seen: bool
    text: bytes


def rare_word(number: int) -> str:
    """A word that one message in RARE holds."""
    return f"zyx{number % RARE:03}q"


def message(number: int) -> Message:
    """Message `number` of an endless mailbox: threads of three whose messages lie some days apart."""
    rng = random.Random(number)  # noqa: S311 - the same mail every time
    thread, place = divmod(number, _PER_THREAD)
    before = [_message_id(thread * _PER_THREAD + earlier) for earlier in range(place)]
    topic = random.Random(-thread - 1)  # noqa: S311
    subject = " ".join(topic.choices(_WORDS, k=topic.randint(3, 7))).capitalize()
    received = START + STEP * number
    lines = [
        f"Return-Path: <{_address(rng.choice(_PEOPLE))}>",
        f"Received: from mx{number % 7}.example.net by mail.example.org with ESMTPS id {number:08x};",
        f"\t{formatdate(received)}",
        f"Date: {formatdate(received - rng.randint(2, 900))}",
        f"From: {rng.choice(_PEOPLE)}",
        f"To: {rng.choice(_PEOPLE)}, {rng.choice(_PEOPLE)}",
        f"Subject: {'Re: ' if place else ''}{subject}",
        f"Message-ID: {_message_id(number)}",
    ]
    if before:
        lines += [f"In-Reply-To: {before[-1]}", f"References: {' '.join(before)}"]
    lines += ["MIME-Version: 1.0", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", ""]
    body = [" ".join(rng.choices(_WORDS, k=9)) for _ in range(12)]
    body[5] = f"{body[5]} {rare_word(number)}"
    return Message(received, rng.random() > 0.1, "\n".join([*lines, *body, ""]).encode())


def with_attachment(size: int) -> Message:
    """A message with an attachment of so many octets of base64."""
    line = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3\n"
    head = (
        b"From: Person 1 <person1@example.org>\nSubject: large\nMessage-ID: <large@bench.example>\nMIME-Version: 1.0\n"
        b'Content-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: text/plain\n\nSee there.\n--b\n'
        b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n"
        b"Content-Disposition: attachment; filename=large.bin\n\n"
    )
    return Message(int(time.time()), True, head + line * (size // len(line)) + b"--b--\n")


def _message_id(number: int) -> str:
    return f"<{number:08x}.{number * 7919 % 1_000_003}@mail.example.org>"


def _address(person: str) -> str:
    return person.partition("<")[2].rstrip(">")
