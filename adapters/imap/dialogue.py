"""The engine of a connection: sends commands, pipelines them, and waits for what becomes of each."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final

from adapters.errors import AdapterError, Unavailable
from adapters.imap import encoder
from adapters.imap.commands import Consumer, Pending, Said, kind_of, may_start
from adapters.imap.encoder import Part, Pause
from adapters.imap.errors import ConnectionLost
from adapters.imap.flow import PROGRESS, Flow, send_literal
from adapters.imap.receiving import Receiving
from adapters.imap.responses import Completion

_LOOKS: Final = 4  # how often within a time-out it is looked whether the server still sends


class Dialogue(Receiving):
    """Commands and responses over one `Wire`. `Connection` adds the verbs of IMAP."""

    async def command(
        self,
        name: str,
        *parts: Part,
        timeout: float | None = None,  # noqa: ASYNC109 - the command's own deadline
        patient: bool = False,
    ) -> Completion:
        """Run a command; several at once are pipelined as far as RFC 9051 §5.5 allows.

        patient: the time-out is for silence, not for the whole answer.

        Raises the typed error of a NO or BAD (its cause is a `Refusal`), InvalidData for what cannot be sent,
        Unavailable when there is no answer in `timeout` seconds (the connection is then gone).
        """
        return await self.outcome(self.ask(name, parts), timeout, patient=patient)

    # asking

    def ask(
        self,
        name: str,
        parts: Sequence[Part],
        *,
        interactive: bool = False,
        consumer: Consumer | None = None,
        flow: Flow | None = None,
        on_ok: Callable[[], None] | None = None,
        said: Said | None = None,
    ) -> Pending:
        """Encode and send a command, or queue it until it may go.

        said: what it was answered with last time, which its answer replaces.
        """
        if self._error is not None:
            raise ConnectionLost(f"connection has ended: {self._error}")
        self._tags += 1
        tag = b"A%d" % self._tags
        loop = asyncio.get_running_loop()
        pending = Pending(
            tag,
            name,
            kind_of(name, alone=consumer is not None or flow is not None),
            deque(encoder.encode(tag, name, parts, self.negotiated)),
            loop.create_future(),
            loop.create_future(),
            next((p.ranges for p in parts if p.ranges), ()),
            next((p.path for p in parts if p.path is not None), None),
            interactive,
            consumer,
            flow,
            on_ok,
            said,
        )
        self._waiting.append(pending)
        self._admit()
        return pending

    def _admit(self) -> None:
        """Send the waiting commands that may go, in order."""
        while self._waiting and self._negotiator is None and self._wire is not None:
            pending = self._waiting[0]
            if not may_start(pending.kind, self._in_progress.values()):
                return
            self._waiting.popleft()
            if pending.future.done():
                continue
            self._expect(pending)
            self._in_progress[pending.tag] = pending
            if pending.consumer is not None:
                self._streaming = pending
                self._wire.framer.bulk(pending.tag)
            while pending.output and isinstance(raw := pending.output[0], bytes):
                self._wire.write(raw)
                pending.output.popleft()
            if pending.output or pending.interactive:
                self._negotiator = pending
            pending.started.set_result(None)

    def together(self) -> AbstractContextManager[None]:
        """What is asked in the block leaves at its end, in one write. Raises ConnectionLost."""
        return self.live_wire().together()

    async def outcomes(self, *asked: Pending) -> list[Completion]:
        """Wait for commands without literals that were asked `together`, all in one time-out.

        Raises the first error, after all have been answered.
        """
        try:
            with self._within(self._timeout, asked[0].name):
                for pending in reversed(asked):  # the last is mostly answered last: one wake-up
                    with contextlib.suppress(AdapterError):
                        await pending.future
        except asyncio.CancelledError:
            for pending in asked:
                self._abandon(pending, self._timeout)
            raise
        return [pending.future.result() for pending in asked]

    async def outcome(self, pending: Pending, seconds: float | None, *, patient: bool = False) -> Completion:
        """Wait for the completion. A caller that is cancelled leaves the response to be read and forgotten."""
        if pending.future.done() and not pending.output:
            return pending.future.result()
        seconds = seconds or self._timeout
        try:
            if not pending.started.done():
                await pending.started
            if pending.output:
                await self._send_literals(pending, seconds)
            if patient:
                return await self._patiently(pending.future, seconds)
            with self._within(seconds, pending.name):
                return await pending.future
        except TimeoutError:
            raise self._silent(pending.name) from None
        except asyncio.CancelledError:
            self._abandon(pending, seconds)
            raise

    @contextlib.contextmanager
    def _within(self, seconds: float, name: str) -> Iterator[None]:
        """End the connection, and so all that is waited for, if that takes longer."""
        deadline = asyncio.get_running_loop().call_later(seconds, self._silent, name)
        try:
            yield
        finally:
            deadline.cancel()

    async def _patiently(self, future: asyncio.Future[Completion], seconds: float) -> Completion:
        """Wait as long as the server keeps sending."""
        received = deque([self.received], _LOOKS + 1)
        while True:
            done, _ = await asyncio.wait({future}, timeout=seconds / _LOOKS)
            if done:
                return future.result()
            received.append(self.received)
            if len(received) > _LOOKS and received[-1] - received[0] < PROGRESS:
                raise TimeoutError

    def _silent(self, name: str) -> Unavailable:
        error = ConnectionLost(f"no answer to {name} in time")
        self.fail(error)
        return error

    def _abandon(self, pending: Pending, seconds: float) -> None:
        pending.future.cancel()
        if pending in self._waiting:
            self._waiting.remove(pending)
            self._admit()
        elif pending.consumer is not None or self._negotiator is pending:
            self.fail(ConnectionLost(f"{pending.name} was cancelled half way"))
        elif pending.tag in self._in_progress:
            asyncio.get_running_loop().call_later(seconds, self._check_abandoned, pending)

    def _check_abandoned(self, pending: Pending) -> None:
        if pending.tag in self._in_progress:
            self._silent(pending.name)

    # literals and dialogues

    async def _send_literals(self, pending: Pending, seconds: float) -> None:
        """The rest of a command from its first literal on, which must wait for `+` or come from a stream."""
        wire = self.live_wire()
        try:
            while pending.output:
                segment = pending.output.popleft()
                if isinstance(segment, Pause):
                    if await self.prompt(pending) is None:  # refused: the completion says why
                        return
                    segment = segment.literal
                if isinstance(segment, bytes):
                    wire.write(segment)
                else:
                    await send_literal(wire, segment, seconds)
        except BaseException as error:  # a literal cut short makes the next command part of it
            self.fail(ConnectionLost(f"{pending.name}: literal not sent"))
            if isinstance(error, TimeoutError):
                raise ConnectionLost(f"no answer to {pending.name} in time") from None
            raise
        finally:
            if self._negotiator is pending:
                self._negotiator = None
                self._admit()

    async def prompt(self, pending: Pending) -> bytes | None:
        """The next `+` for a command; None when it completed instead. Raises Unavailable when neither comes."""
        try:
            async with asyncio.timeout(self._timeout):
                return await pending.prompts.get()
        except TimeoutError:
            raise self._silent(pending.name) from None

    async def converse(
        self,
        name: str,
        parts: Sequence[Part],
        respond: Callable[[bytes], Awaitable[bytes]],
    ) -> Completion:
        """A command whose `+` prompts are answered by `respond` (a whole line) until it completes."""
        pending = self.ask(name, parts, interactive=True)
        try:
            await pending.started
            while (prompt := await self.prompt(pending)) is not None:
                self.live_wire().write(await respond(prompt))
            return await pending.future
        finally:
            if not pending.future.done():
                self.fail(ConnectionLost(f"{name} was not finished"))
