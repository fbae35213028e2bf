"""States of what has no journal: Sieve scripts, the vacation response, quotas. The server alone knows them."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

from adapters.errors import Unsupported
from adapters.ports.watch import Watched
from gateway.store.base import Store
from gateway.sync.telling import tell


class Observed:
    """Some types of one account, whose states are told when they are seen to have changed, whoever sees it first.

    ask: the states as of now, by type; may raise adapters.errors.
    """

    def __init__(
        self, store: Store, account_id: str, types: tuple[str, ...], ask: Callable[[], Awaitable[Mapping[str, str]]]
    ) -> None:
        self.types = types
        self.ask = ask
        self._store = store
        self._account_id = account_id
        self._states: dict[str, str] = {}

    def state(self, name: str) -> str:
        """The state that was last seen; empty before that, which is none that was ever given out."""
        return self._states.get(name, "")

    async def note(self, states: Mapping[str, str]) -> None:
        """Somebody has just seen these states."""
        news = {name: state for name, state in states.items() if self._states.get(name) != state}
        self._states |= news
        await tell(self._store, self._account_id, news)

    # What a `Watch` asks

    @property
    def watched(self) -> Watched:
        """What others do is found by looking."""
        return "nothing"

    def hints(self) -> AsyncGenerator[None, None]:
        """See `WatchPort.hints`."""
        raise Unsupported("there are no hints")

    async def refresh(self) -> None:
        """Look, and tell what is new. Raises adapters.errors."""
        await self.note(await self.ask())
