"""Tells who listens of each alert of an account when its time has come (draft-ietf-jmap-calendars-29 §6.4).

One clock per account and gateway, however many listeners; with nobody listening nothing runs. The time that counts is
the wall clock's: after a suspend, or when it was set forward, what should have been told meanwhile is told unless it is
older than GRACE_SECONDS; when it was set back, nothing is told once more.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from adapters.errors import AdapterError, AuthFailed
from gateway.sync.calendars.alerts import Alert, Plan
from gateway.sync.calendars.index import TYPES, Index
from gateway.sync.watch import heed_cancellation, keep_going

_log: Final = logging.getLogger(__name__)

GRACE_SECONDS: Final = 600.0
"""An alert that could not be told in time is told no more after so long."""
_LATE: Final = 60.0
"""Nor is one that is older than this when its event is learnt of, unless others' changes are looked for less often."""
STRETCH_SECONDS: Final = 3600.0
"""How far ahead is planned."""
_EARLY: Final = 300.0
"""Seconds before the end of a stretch at which the next one is planned, so that nothing waits for it."""
LOOK_SECONDS: Final = 30.0
"""The longest sleep: it does not go on while the machine is suspended, and knows nothing of a clock that is set."""
_BACK: Final = 1.0
"""Seconds: a clock that goes back by less has only been slowed down."""
MOST_IN_HOUR: Final = 100
"""Alerts of one account within an hour; more are not told (-29 §9.3.2: MUST rate limit)."""
_HOUR: Final = 3600.0
_REMEMBERED: Final = 5 * MOST_IN_HOUR
"""Alerts that are not told once more, wherever the clock is set to."""
_LONGEST_PAUSE: Final = 60.0

Hear = Callable[[Alert], None]


class _Calendars(Protocol):
    """See `CalendarAccount`."""

    id: str
    index: Index

    def state(self, *type_names: str) -> str: ...

    async def refresh(self) -> None: ...


class AlertClock:
    """The alerts of one account. poll_seconds: by how much others' changes may be learnt of too late.

    now: seconds since 1970. account_id: what clients know the account by, where its id is not that.
    """

    def __init__(
        self,
        calendars: _Calendars,
        poll_seconds: float,
        now: Callable[[], float] = time.time,
        *,
        account_id: str | None = None,
    ) -> None:
        self._calendars = calendars
        self._account_id = account_id or calendars.id
        self._late = min(max(poll_seconds, _LATE), GRACE_SECONDS)
        self._now = now
        self._listeners: dict[object, tuple[Hear, float]] = {}
        self._task: asyncio.Task[None] | None = None
        self._looks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._plan: Plan | None = None
        self._begun = self._seen = 0.0
        self._is_blind = self._was_blind = True
        self._told: dict[Alert, float] = {}
        self._times: deque[float] = deque(maxlen=MOST_IN_HOUR)

    @contextlib.contextmanager
    def listening(self, hear: Hear, since: float) -> Iterator[None]:
        """Somebody listens while the context lasts. since: up to when he was told, by another gateway maybe."""
        listener, now = object(), self._now()
        for alert, told_at in self._told.items():
            if since < told_at <= now and alert.at >= now - GRACE_SECONDS:
                hear(alert)
        self._listeners[listener] = hear, min(since, now)
        if self._task is None:
            self._begin()
        try:
            yield
        finally:
            del self._listeners[listener]
            if not self._listeners:
                self._end()

    def heard(self, states: Mapping[str, str]) -> None:
        """These states were published, by whatever gateway; none: some may have been missed."""
        if self._task is None:
            return
        changed = [name for name in TYPES if name in states]
        if not states or any(states[name] != self._calendars.state(name) for name in changed):
            self._refresh()
        if changed:
            self._wake.set()

    def _begin(self) -> None:
        self._begun = self._seen = self._now()
        self._plan = None
        self._is_blind = self._was_blind = True
        self._task = asyncio.create_task(keep_going(self._run, _LONGEST_PAUSE))

    def _end(self) -> None:
        for task in (self._task, *self._looks):
            if task is not None:
                task.cancel()
        self._task = self._plan = None

    def _refresh(self) -> None:
        """Look at the calendars, beside what is told meanwhile."""
        task = asyncio.create_task(self._look())
        self._looks.add(task)
        task.add_done_callback(self._looks.discard)

    async def _look(self) -> None:
        try:
            await self._calendars.refresh()
        except AuthFailed:
            self._is_blind = False  # to insist would lock the user out: whoever watches the account tries again
        except AdapterError as error:
            _log.info("the calendars cannot be looked at: %s", type(error).__name__)
            self._is_blind = True
        else:
            self._is_blind = False
            self._wake.set()

    async def _run(self) -> None:
        """Plan, and tell what is due, until cancelled."""
        while True:
            heed_cancellation()
            if self._is_blind and not self._looks:
                self._refresh()
            plan = self._current_plan()
            self._tell(plan)
            await self._follow(plan)
            self._tell(plan)
            await self._sleep(plan)

    def _current_plan(self) -> Plan:
        now, before = self._now(), self._seen
        self._seen = now
        if self._plan is None or now < before - _BACK:
            self._plan, self._was_blind = Plan(self._account_id), True
            self._begun = min(self._begun, now)
            self._listeners = {key: (hear, min(since, now)) for key, (hear, since) in self._listeners.items()}
        return self._plan

    async def _follow(self, plan: Plan) -> None:
        """Plan what changed, and the next stretch when this one is nearly over."""
        now = self._now()
        missed = now - GRACE_SECONDS
        learnt = missed if self._was_blind else now - self._late
        until = plan.until if plan.until > now + _EARLY else now + STRETCH_SECONDS
        is_blind = self._is_blind
        await plan.follow(self._calendars.index, missed=missed, learnt=learnt, until=until)
        self._was_blind = is_blind

    def _tell(self, plan: Plan) -> None:
        now = self._now()
        for alert in plan.take(now):
            if alert.at < now - GRACE_SECONDS or alert in self._told:
                continue
            # what triggered before anybody listened here is for those who say that they missed it
            is_new = alert.at > self._begun
            if is_new and not self._may_tell(now):
                continue
            told_at = now if is_new else alert.at
            self._told[alert] = told_at
            if len(self._told) > _REMEMBERED:
                del self._told[next(iter(self._told))]
            for hear, since in list(self._listeners.values()):
                if told_at > since:
                    hear(alert)

    def _may_tell(self, now: float) -> bool:
        """Whether the user has not been told too many (-29 §9.3.2)."""
        is_full = len(self._times) == MOST_IN_HOUR
        if is_full and 0 <= now - self._times[0] < _HOUR:
            _log.debug("an alert is left out: there were %d within an hour", MOST_IN_HOUR)
            return False
        self._times.append(now)
        return True

    async def _sleep(self, plan: Plan) -> None:
        """Until the next alert, a change, or the time to look at the clock."""
        pause = min(LOOK_SECONDS, plan.alerts[0].at - self._now()) if plan.alerts else LOOK_SECONDS
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, pause)):
                await self._wake.wait()
        self._wake.clear()
