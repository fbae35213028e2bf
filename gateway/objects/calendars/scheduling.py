"""Scheduling messages (draft-ietf-jmap-calendars-29 §5.9.2): by the calendar server where it sends them, else by mail.

Whether they can be sent is found out before anything is written. They are stored right before the write and sent after
it; where a gateway dies in between, whoever catches up looks whether the event was written (`written`). A message that
the submission server refuses for good is only logged: the event is as the client wanted it, and JSCalendar has no place
that would tell.
"""

from dataclasses import dataclass, field
from typing import Any

from adapters.errors import Unavailable
from adapters.formats import imip, itip
from adapters.formats.compose import InvalidEmail
from adapters.formats.itip import Event, Message
from adapters.ports.mail_write import Octets
from adapters.ports.submission import SmtpAddress, SmtpEnvelope
from gateway.jmap.errors import SetError
from gateway.objects.calendars.addresses import Addresses
from gateway.objects.calendars.written import write_of
from gateway.objects.submission.announcing import Announcement
from gateway.objects.submission.composing import composed
from gateway.objects.submission.errands import Post
from gateway.sync.calendars.account import CalendarAccount
from gateway.sync.calendars.entries import now_text
from gateway.sync.outbox import Outbox


@dataclass(slots=True)
class Scheduling:
    """What one /set has to tell people. wanted: whether the client asked for it. box: None where nothing can be sent.

    due: the messages of the change under way, until they are stored.
    """

    calendars: CalendarAccount
    own: Addresses
    box: Outbox | None
    wanted: bool
    due: list[Post] = field(default_factory=list)
    _change: tuple[Event | None, Event | None] = (None, None)
    _announcement: Announcement | None = None
    _ready: bool = False

    @property
    def by_server(self) -> bool:
        """Whether the calendar server is to send what is due (RFC 6638 §2)."""
        return self.wanted and self.calendars.facts.auto_schedule

    async def prepare(self) -> None:
        """Ask whether the submission server answers, once. Raises adapters.errors."""
        if self.wanted and not self.by_server and self.box is not None and not self._ready:
            await self.box.port.facts()
            self._ready = True

    def plan(self, before: Event | None, after: Event | None) -> None:
        """Make the messages of a change, in place of those planned before. Raises SetError where they can't be sent."""
        self.due, self._change = [], (before, after)
        if not self.wanted:
            return
        messages = itip.messages(before, after, self.own.has, now_text())
        if not self.by_server:
            self.due = [self._letter(message) for message in messages]

    async def announce(self, etag: str | None) -> None:
        """Store what is due, before the write that it tells of. etag: of what is replaced. Raises AdapterError."""
        due, self.due = self.due, []
        if due and self.box is not None:
            self._announcement = self._announcement or Announcement(self.box)
            await self._announcement.store(due, write_of(*self._change, etag, self.own))

    async def send(self) -> None:
        """Send what was stored: its write was done."""
        if self._announcement is not None:
            await self._announcement.send()

    async def failed(self, error: Exception) -> None:
        """The write was not done; or nobody knows, where the server did not answer."""
        self.due = []
        if self._announcement is not None and not isinstance(error, Unavailable):
            await self._announcement.withdraw()

    async def finish(self) -> None:
        """Leave what was neither sent nor withdrawn to whoever catches up."""
        if self._announcement is not None:
            await self._announcement.leave()

    def _letter(self, message: Message) -> Post:
        sender = imip.mail_address(message.sender)
        recipients = [imip.mail_address(address) for address in message.recipients]
        found = [address for address in recipients if address is not None]
        if self.box is None or sender is None or len(found) < len(recipients) or not self.box.senders.allow(sender):
            raise SetError("noSupportedScheduleMethods", "The messages can't be sent by mail.")
        envelope = SmtpEnvelope(SmtpAddress(sender, {}), [SmtpAddress(address, {}) for address in found])
        return Post(envelope, _octets(imip.email(message), sender))


def _octets(email: dict[str, Any], sender: str) -> Octets:
    """The message. Raises SetError where an address or a text can't stand in one."""
    try:
        return composed(email, sender)
    except InvalidEmail as error:
        raise SetError("noSupportedScheduleMethods", f"The message can't be written: {error}"[:300]) from error
