"""PushSubscription (RFC 8620 §7.2): where to tell a client that is closed of what changes."""

import hmac
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from gateway.context import Context, PushSubscriptions
from gateway.jmap.capabilities import CORE
from gateway.jmap.checks import array_of, nullable, record, string, utc_date
from gateway.jmap.datatype import Fetched, Settable
from gateway.jmap.errors import MethodError, SetError
from gateway.jmap.properties import ID, Property, PropertyTable, Update
from gateway.objects.results import fetched
from gateway.sync.ledger import Record

LONGEST_TEXT: Final = 2048
"""Characters of a URL, a key, a deviceClientId, the name of a type."""
MOST_TYPES: Final = 100


def _text(value: Any) -> str | None:
    return string(value) or (None if len(value) <= LONGEST_TEXT else f"must have at most {LONGEST_TEXT} characters")


def _url(value: Any) -> str | None:
    """An absolute URL that begins with "https://"; where it may lead is decided when connecting."""
    if wrong := _text(value):
        return wrong
    try:
        parts = urlsplit(value)
        usable = parts.scheme == "https" and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not value.startswith("https://") or not value.isascii() or not value.isprintable() or " " in value:
        return 'must be an absolute URL that begins with "https://"'
    return None


def _types(value: Any) -> str | None:
    return array_of(_text)(value) or (None if len(value) <= MOST_TYPES else f"must be at most {MOST_TYPES} names")


_KEYS: Final = {"p256dh": _text, "auth": _text}

PROPERTIES: Final = (
    ID,
    Property("deviceClientId", _text, immutable=True),
    Property("url", _url, immutable=True, write_only=True),
    Property("keys", nullable(record(_KEYS, frozenset(_KEYS))), default=None, immutable=True, write_only=True),
    Property("verificationCode", nullable(_text), default=None),
    Property("expires", nullable(utc_date), default=None),
    Property("types", nullable(_types), default=None),
)


class Extension(Protocol):
    """A property that another specification adds."""

    property: Property

    def check(self, context: Context, value: Any) -> None:
        """Look at a value other than null that is of the right shape. Raises SetError."""
        ...


class PushSubscriptionType(Settable):
    """The hooks of the standard methods for PushSubscription."""

    name = "PushSubscription"
    capability = CORE
    methods = ("get", "set")
    accountless = True

    def __init__(self, extensions: Sequence[Extension] = ()) -> None:
        self._extensions = {extension.property.name: extension for extension in extensions}
        rows = [*PROPERTIES, *(extension.property for extension in extensions)]
        # RFC 8620 §7.2.1: all properties but url and keys
        self.properties = PropertyTable(rows, default=[row.name for row in rows if not row.write_only])

    async def state(self, context: Context, account: None) -> str:
        """There is none that a client could see (RFC 8620 §7.2.1, §7.2.2)."""
        return ""

    async def get(
        self,
        context: Context,
        account: None,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """PushSubscription/get (RFC 8620 §7.2.1): only those that the same credentials made."""
        return fetched(await _own(context).read(), ids, properties)

    async def create(
        self, context: Context, account: None, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """PushSubscription/set create (RFC 8620 §7.2.2)."""
        own = _own(context)
        answers: dict[str, Mapping[str, Any] | SetError] = {}
        wanted: dict[str, Record] = {}
        for key, given in records.items():
            try:
                self._check(context, given)
                wanted[key] = _checked(given) | {"expires": _expiry(given["expires"], own.longest)}
            except SetError as error:
                answers[key] = error
        made = await own.create(wanted) if wanted else {}
        for key, outcome in made.items():
            if isinstance(outcome, str):
                answers[key] = SetError(outcome)
            else:
                answers[key] = {"id": outcome["id"], "expires": outcome["expires"]}
        return answers

    async def update(
        self, context: Context, account: None, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """PushSubscription/set update (RFC 8620 §7.2.2)."""
        own = _own(context)
        current = await own.read()
        answers: dict[str, Mapping[str, Any] | SetError | None] = {}
        changes: dict[str, Record] = {}
        for record_id, update in updates.items():
            before = current.get(record_id)
            try:
                self._check(context, {name: update.patched[name] for name in update.changed})
                changes[record_id] = _changed(before, update, own.longest)
            except SetError as error:
                answers[record_id] = error
                continue
            if changes[record_id].get("expires") != update.patched.get("expires"):
                answers[record_id] = {"expires": changes[record_id]["expires"]}
        await own.update(changes)
        return answers

    async def destroy(
        self, context: Context, account: None, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """PushSubscription/set destroy."""
        own = _own(context)
        found = await own.read()
        await own.destroy([record_id for record_id in ids if record_id in found])
        return {record_id: SetError("notFound") for record_id in ids if record_id not in found}

    def _check(self, context: Context, values: Mapping[str, Any]) -> None:
        for name, extension in self._extensions.items():
            if values.get(name) is not None:
                extension.check(context, values[name])


def _own(context: Context) -> PushSubscriptions:
    if context.login.push is None:
        raise MethodError("forbidden", "This gateway does not push.")
    return context.login.push


def _checked(given: Mapping[str, Any]) -> Record:
    """A record to be created. Raises SetError."""
    if given["verificationCode"] is not None:  # RFC 8620 §7.2: MUST be null or omitted
        raise SetError("invalidProperties", "verificationCode comes later", ["verificationCode"])
    if given["keys"] is not None:
        # Imported where it is needed: cryptography takes 7 MB.
        from adapters.formats import web_push  # noqa: PLC0415

        try:
            web_push.subscriber_keys(given["keys"]["p256dh"], given["keys"]["auth"])
        except ValueError:
            raise SetError("invalidProperties", "keys: no keys of a Web Push subscriber", ["keys"]) from None
    return dict(given)


def _changed(before: Record | None, update: Update, longest: float) -> Record:
    """The properties that an update changes. Raises SetError."""
    if before is None:
        raise SetError("notFound")
    changes = {name: update.patched[name] for name in update.changed}
    if "verificationCode" in changes:
        given = changes["verificationCode"]
        # RFC 8620 §7.2.2: MUST be rejected unless it is the code that was sent
        if given is None or not hmac.compare_digest(given.encode(), before["code"].encode()):
            raise SetError("invalidProperties", "verificationCode is not the one that was sent", ["verificationCode"])
    if "expires" in changes:
        changes["expires"] = _expiry(changes["expires"], longest)
    return changes


def _expiry(given: str | None, longest: float) -> str:
    """The time that counts (RFC 8620 §7.2: the server may choose a shorter one). Raises SetError for one that is over.

    longest: seconds.
    """
    now = time.time()
    moment = now + longest
    if given is not None:
        # RFC 8620 §1.4 allows a second 60
        moment = min(moment, datetime.fromisoformat(given.replace(":60", ":59")).timestamp())
    if moment <= now:
        raise SetError("invalidProperties", "expires is in the past", ["expires"])
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
