"""What arrives on a connection: every response is given to its owner, and the end of the connection to all.

Nothing that arrives is dropped: it belongs to a command in progress or goes to the callbacks for unsolicited data.
Server bytes can raise nothing but ProtocolError, which ends the connection.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Final

from adapters.errors import AdapterError
from adapters.imap.commands import Consumer, Pending, owner
from adapters.imap.encoder import Negotiated
from adapters.imap.errors import ConnectionLost, ProtocolError, Refusal, farewell, login_refused, refused
from adapters.imap.framer import Caps, octets_of, split_responses
from adapters.imap.responses import Completion, Continuation, Tagged, Untagged, parse_response
from adapters.imap.streams import Wire

_PROMPTS: Final = 16


class Receiving(ABC):
    """The receiving half of a `Dialogue` over one `Wire`; implements framer.Receiver."""

    def __init__(self, caps: Caps, timeout: float) -> None:
        self.negotiated = Negotiated()
        self._caps = caps
        self._timeout = timeout
        self._wire: Wire | None = None
        self._tags = 0
        self._in_progress: dict[bytes, Pending] = {}
        self._waiting: deque[Pending] = deque()
        self._negotiator: Pending | None = None  # who owns the next `+`; nobody else writes meanwhile
        self._streaming: Pending | None = None
        self._repeating: Pending | None = None  # its answer may be what it was last time
        self._listeners: list[Callable[[Untagged], None]] = []
        self._error: AdapterError | None = None
        self._greeting: asyncio.Future[Untagged] = asyncio.get_running_loop().create_future()
        self._leaving = False

    @property
    def closed(self) -> bool:
        """Whether the connection has ended; it never comes back."""
        return self._error is not None

    @property
    def busy(self) -> bool:
        """Whether a command is in progress, an abandoned one included."""
        return bool(self._in_progress or self._waiting)

    @property
    def received(self) -> int:
        """Octets received so far."""
        return self._wire.received if self._wire is not None else 0

    async def wait_closed(self) -> AdapterError:
        """Wait for the end of the connection; returns its reason."""
        if self._wire is not None:
            await self._wire.closed.wait()
        return self._error or ConnectionLost("connection closed")

    def on_unsolicited(self, callback: Callable[[Untagged], None]) -> Callable[[], None]:
        """Call `callback` with untagged data that belongs to no command. Returns the undo. It must not raise."""
        self._listeners.append(callback)
        return lambda: self._listeners.remove(callback)

    def hand_back(self, raw: bytes) -> None:
        """Whole raw responses that a bulk consumer did not want: dispatched as if no command were in progress."""
        for _, pieces in split_responses(raw):
            response = parse_response(pieces, depth=self._caps.depth)
            if isinstance(response, Untagged):
                self._unsolicited(response)

    def abort(self) -> None:
        """End the connection at once."""
        self.fail(ConnectionLost("aborted"))

    @abstractmethod
    def _admit(self) -> None:
        """Send the waiting commands that may go, in order."""

    # receiving: framer.Receiver

    def frame(self, pieces: list[bytes]) -> None:
        """Dispatch one response."""
        match parse_response(pieces, depth=self._caps.depth):
            case Tagged() as tagged:
                self._complete(tagged)
            case Continuation(payload):
                self._prompt(payload)
            case Untagged() as untagged if not self._greeting.done() and untagged.name != b"BYE":
                self._greeting.set_result(untagged)
            case Untagged() as untagged:
                self._untagged(untagged, pieces)

    def expected(self) -> None:
        """Take the answer of last time for the one of now."""
        pending, self._repeating = self._repeating, None
        if pending is not None and pending.said is not None:
            pending.octets.append(pending.said.octets)
            pending.untagged += pending.said.responses

    def _expect(self, pending: Pending) -> None:
        """Have an answer recognised, if all of it can only be this command's: see `owner`."""
        owns = pending.kind.owns
        if pending.said is not None and all(owns.isdisjoint(one.kind.owns) for one in self._in_progress.values()):
            self._repeating = pending
            self.live_wire().framer.expect(pending.said.octets)

    def skim(self, data: bytes, position: int) -> int:
        """Let the consumer of the bulk command take what it reads by itself."""
        return self._consumed(lambda consumer: consumer.skim(data, position)) or position

    def chunk(self, raw: bytes) -> None:
        """Hand whole responses to the consumer of the bulk command."""
        self._consumed(lambda consumer: consumer.feed(raw))

    def _consumed(self, take: Callable[[Consumer], int | None]) -> int | None:
        pending = self._streaming
        if pending is None or pending.consumer is None or pending.future.done():
            return None
        try:
            return take(pending.consumer)
        except ProtocolError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a consumer raises belongs to the caller of `stream`
            pending.future.set_exception(error)
            self.fail(ConnectionLost("bulk consumer failed"))
            return None

    def wants_literal(self, pieces: list[bytes], size: int) -> bool:
        """Whether a literal is the body that `literal_to` waits for."""
        pending = next(iter(self._in_progress.values()), None)
        return pending is not None and pending.flow is not None and pending.flow.wants(pieces)

    def literal_data(self, raw: bytes) -> None:
        """Queue octets for the sink; stop reading while it is behind."""
        pending = next(iter(self._in_progress.values()), None)
        if pending is not None and pending.flow is not None and self._wire is not None:
            pending.flow.put(raw, self._wire)

    def _complete(self, tagged: Tagged) -> None:
        pending = self._in_progress.pop(tagged.tag, None)
        if pending is None:
            raise ProtocolError("completion of a command that is not in progress")
        if self._streaming is pending:
            self._streaming = None
        if self._repeating is pending:
            self._repeating = None
            self.live_wire().framer.expect(b"")
        if self._negotiator is pending and pending.interactive:  # a literal under way is sent to its end first
            self._negotiator = None
        if tagged.status == b"OK" and pending.on_ok is not None:
            pending.on_ok()
        if not pending.future.done():
            if tagged.status == b"OK":
                if pending.said is not None:
                    pending.said.octets, pending.said.responses = b"".join(pending.octets), pending.untagged
                pending.future.set_result(Completion(tagged.code, tagged.text, pending.untagged))
            else:
                self._set_error(pending, _refusal(pending.name, tagged))
        self._wake(pending)
        self._admit()

    def _prompt(self, payload: bytes) -> None:
        pending = self._negotiator
        if pending is None or pending.prompts.qsize() >= _PROMPTS:
            raise ProtocolError("continuation request that nothing waits for")
        pending.prompts.put_nowait(payload)

    def _untagged(self, response: Untagged, pieces: list[bytes]) -> None:
        if response.name == b"BYE":
            return self._bye(response)
        pending = owner(self._in_progress.values(), response)
        code = response.code.name if response.code is not None else b""
        if pending is None or code == b"ALERT":
            self._unsolicited(response)
        elif code == b"CLOSED":  # RFC 7162 §3.2.11: what came before is of the mailbox that is being left
            earlier, pending.untagged = pending.untagged, []
            for old in earlier:
                self._unsolicited(old)
        elif not pending.future.done():
            pending.untagged.append(response)
            pending.gathered += sum(map(len, pieces)) + 200
            if pending.said is not None:
                self._note(pending, response, pieces)
            if pending.gathered > self._caps.collected:
                raise ProtocolError("too much untagged data")
        return None

    def _note(self, pending: Pending, response: Untagged, pieces: list[bytes]) -> None:
        """Note the octets of an answer, unless there is something in it that may be another command's next time."""
        if response.name in pending.kind.owns:
            pending.octets.append(octets_of(pieces))
        else:
            pending.said = None

    def _unsolicited(self, response: Untagged) -> None:
        if response.name == b"BYE":
            self._bye(response)
        for listener in tuple(self._listeners):
            listener(response)

    def _bye(self, response: Untagged) -> None:
        """The server leaves: nothing is complete that is not yet complete (RFC 9051 §7.1.5)."""
        if not self._leaving:
            self.fail(farewell(response.code.name if response.code else None, response.text))

    # ending

    def fail(self, error: AdapterError) -> None:
        """End the connection: every caller gets an error, once."""
        if self._error is not None:
            return
        self._error = error
        if not self._greeting.done():
            self._greeting.set_exception(error)
            self._greeting.exception()  # it may be that nobody waits
        for pending in (*self._in_progress.values(), *self._waiting):
            self._set_error(pending, type(error)(f"{pending.name}: {error}"))
            pending.output.clear()
            self._wake(pending)
        self._in_progress.clear()
        self._waiting.clear()
        self._negotiator = None
        if self._wire is not None:
            self._wire.abort()

    def _set_error(self, pending: Pending, error: AdapterError) -> None:
        if not pending.future.done():
            pending.future.set_exception(error)
            pending.future.exception()  # marks it as seen: the waiter may have been cancelled

    def _wake(self, pending: Pending) -> None:
        if not pending.started.done():
            pending.started.set_result(None)
        pending.prompts.put_nowait(None)
        if pending.flow is not None:
            pending.flow.end()

    def live_wire(self) -> Wire:
        if self._wire is None or self._error is not None:
            raise ConnectionLost("connection has ended")
        return self._wire


def last_words(raw: bytes) -> AdapterError | None:
    """The error for the BYE among whole raw responses, if there is one."""
    for _, pieces in split_responses(raw):
        response = parse_response(pieces)
        if isinstance(response, Untagged) and response.name == b"BYE":
            return farewell(response.code.name if response.code else None, response.text)
    return None


def _refusal(name: str, tagged: Tagged) -> AdapterError:
    code = tagged.code.name if tagged.code is not None else None
    kind = login_refused if name in ("LOGIN", "AUTHENTICATE") else refused
    error = kind(name, tagged.status, code, tagged.text)
    error.__cause__ = Refusal(tagged.status, code, tagged.text)
    return error
