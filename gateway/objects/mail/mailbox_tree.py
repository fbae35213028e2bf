"""Where Mailboxes lie and what they are called, while a /set changes both (RFC 8621 §2)."""

import unicodedata
from collections.abc import Iterable
from typing import Final

from gateway.jmap.errors import SetError
from gateway.objects.mail.capability import MAX_MAILBOX_NAME
from gateway.sync import roles
from gateway.sync.account import MailAccount
from gateway.sync.mailboxes import lies_beside

_CONTROLS: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


class Tree:
    """The folders of an account by Mailbox id, kept up to date with what has been done to them since the last look."""

    def __init__(self, mail: MailAccount) -> None:
        facts, emails = mail.facts, mail.emails
        self._prefix = facts.personal_prefix
        self._delimiters = {box.id: box.folder.delimiter for box in emails.boxes.values()}
        inbox = next((box.folder for box in emails.boxes.values() if roles.is_inbox(box.folder)), None)
        # a server without NAMESPACE tells its separator with every folder all the same
        self._delimiter = facts.delimiter or (inbox.delimiter if inbox else None)
        self.paths = {box.id: box.path for box in mail.mailboxes.values()}
        self.parents = {box.id: box.parent_id for box in mail.mailboxes.values()}

    def path(self, parent_id: str | None, name: str) -> str:
        """The full name of a Mailbox. Raises SetError("invalidProperties") for a place or a name that cannot be."""
        delimiter = self._delimiter if parent_id is None else self._delimiters.get(parent_id)
        if parent_id is not None and parent_id not in self.paths:
            raise SetError("invalidProperties", "there is no such parent", ["parentId"])
        fault = name_fault(name, delimiter)
        if fault:
            raise SetError("invalidProperties", f"name {fault}", ["name"])
        name = unicodedata.normalize("NFC", name)  # RFC 8621 §2: Net-Unicode (RFC 5198 §2)
        if parent_id is None:
            path = self._prefix + name
        elif lies_beside(self.paths[parent_id], delimiter or "", self._prefix):
            raise SetError("invalidProperties", "on this server all Mailboxes lie beside the inbox", ["parentId"])
        else:
            path = f"{self.paths[parent_id]}{delimiter}{name}"
        if roles.names_inbox(path):
            raise SetError("invalidProperties", "name belongs to the inbox", ["name"])
        return path

    def holder(self, path: str) -> str | None:
        """The Mailbox that has a full name."""
        return next((mailbox_id for mailbox_id, taken in self.paths.items() if taken == path), None)

    def above(self, mailbox_id: str | None) -> Iterable[str]:
        """A Mailbox and all its ancestors."""
        while mailbox_id is not None:
            yield mailbox_id
            mailbox_id = self.parents.get(mailbox_id)

    def put(self, mailbox_id: str, parent_id: str | None, path: str) -> None:
        """A Mailbox was renamed, and with it everything below (RFC 9051 §6.3.6)."""
        old, delimiter = self.paths[mailbox_id], self._delimiters[mailbox_id]
        for other, where in self.paths.items():
            if delimiter and where.startswith(old + delimiter):
                self.paths[other] = path + where[len(old) :]
        self.paths[mailbox_id] = path
        self.parents[mailbox_id] = parent_id


def name_fault(name: str, delimiter: str | None) -> str | None:
    """What is wrong with a name, as the end of a sentence; None for nothing (RFC 8621 §2, RFC 5198 §2)."""
    if not name:
        return "must not be empty"
    if len(unicodedata.normalize("NFC", name).encode("utf-8", "replace")) > MAX_MAILBOX_NAME:
        return f"is longer than {MAX_MAILBOX_NAME} octets"
    if any(unicodedata.category(character) in _CONTROLS for character in name):
        return "has a control character"
    if delimiter and delimiter in name:
        return f"has the separator {delimiter}"
    return None
