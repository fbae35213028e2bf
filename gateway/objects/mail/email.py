"""Email: its properties, Email/get, Email/changes (RFC 8621 §4.1 to §4.3)."""

import asyncio
import logging
from collections.abc import Container, Hashable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any, Final

import orjson

from adapters.errors import Unavailable
from adapters.formats.body_parts import BODY_PROPERTIES, DEFAULT_BODY_PROPERTIES
from adapters.formats.email import BodyOptions
from adapters.formats.header_forms import CONVENIENCE, parse_header_property
from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import anything, array_of, boolean, id_, map_of, nullable, true, unsigned_int
from gateway.jmap.checks import utc_date as utc_date_check
from gateway.jmap.datatype import (
    Changeable,
    Changes,
    Copy,
    Copyable,
    Fetched,
    Query,
    QueryChangeable,
    QueryResult,
    Settable,
)
from gateway.jmap.errors import MethodError, SetError
from gateway.jmap.properties import ID, Lookup, Property, PropertyTable, Update, reference_ids
from gateway.objects.changes import changes_of
from gateway.objects.mail import blob_ids, email_copy, email_create, email_query, email_set, first_page, smime, unread
from gateway.objects.mail.capability import MAIL, glance_of, mail_of, writer_of
from gateway.objects.mail.contents import contents, expecting
from gateway.objects.mail.dates import utc_date
from gateway.objects.mail.keywords import keyword
from gateway.objects.mail.order import SORTABLE
from gateway.objects.mail.wanted import Wanted
from gateway.store.cache import ByteCache
from gateway.sync.account import MailAccount
from gateway.sync.emails import Emails

logger = logging.getLogger(__name__)

DEFAULT_PROPERTIES: Final = (  # RFC 8621 §4.2
    *("id", "blobId", "threadId", "mailboxIds", "keywords", "size", "receivedAt"),
    *("messageId", "inReplyTo", "references", "sender", "from", "to", "cc", "bcc", "replyTo", "subject", "sentAt"),
    *("hasAttachment", "preview", "bodyValues", "textBody", "htmlBody", "attachments"),
)
CHANGING: Final = ("mailboxIds", "keywords")
"""Everything else about an Email is immutable (RFC 8621 §4.1)."""

INDEXED: Final = ("id", "blobId", "threadId", "size", "receivedAt")
CONTENT: Final = (*CONVENIENCE, "headers", "bodyStructure", "bodyValues", "textBody", "htmlBody", "attachments")


def header_name(name: str) -> Property | None:
    """The property of a name such as header:List-Id:asText:all, None for one that is not allowed (RFC 8621 §4.1.3)."""
    return Property(name, anything, immutable=True, omittable=True) if parse_header_property(name) else None


def lower_case(value: Any, lookup: Lookup) -> Any:  # noqa: ARG001 - a Resolver
    """Keywords have no case and are shown in lower case (RFC 8621 §4.1.1); done where creation ids are replaced."""
    if isinstance(value, str):
        return value.lower()
    return {key.lower(): item for key, item in value.items()} if isinstance(value, dict) else value


PROPERTIES: Final = PropertyTable(
    [
        ID,
        Property("blobId", anything, server_set=True, immutable=True),
        Property("threadId", anything, server_set=True, immutable=True),
        Property("mailboxIds", map_of(id_, true), references=reference_ids),
        Property("keywords", map_of(keyword, true), default={}, references=lower_case),
        Property("size", unsigned_int, server_set=True, immutable=True),
        Property("receivedAt", utc_date_check, immutable=True, omittable=True),
        *(Property(name, anything, immutable=True, omittable=True) for name in CONTENT),
        Property("hasAttachment", boolean, server_set=True, immutable=True),
        Property("preview", anything, server_set=True),
        *smime.PROPERTIES,
    ],
    dynamic=header_name,
    default=DEFAULT_PROPERTIES,
)


def body_property(value: Any) -> str | None:
    """The check of one name in bodyProperties (RFC 8621 §4.1.4)."""
    if isinstance(value, str) and (value in BODY_PROPERTIES or parse_header_property(value)):
        return None
    return "must be a property of EmailBodyPart"


BODY_ARGUMENTS: Final = (
    Argument("bodyProperties", nullable(array_of(body_property)), None),
    Argument("fetchTextBodyValues", boolean, False),
    Argument("fetchHTMLBodyValues", boolean, False),
    Argument("fetchAllBodyValues", boolean, False),
    Argument("maxBodyValueBytes", unsigned_int, 0),
)


def body_options(arguments: Mapping[str, Any]) -> BodyOptions:
    """The body arguments of Email/get and Email/parse."""
    names = arguments["bodyProperties"]
    return BodyOptions(
        DEFAULT_BODY_PROPERTIES if names is None else tuple(names),
        arguments["fetchTextBodyValues"],
        arguments["fetchHTMLBodyValues"],
        arguments["fetchAllBodyValues"],
        arguments["maxBodyValueBytes"],
    )


class EmailType(Settable, Copyable, Changeable, QueryChangeable):
    """The hooks of the standard methods for Email."""

    name = "Email"
    capability = MAIL
    methods = ("get", "changes", "set", "copy", "query", "queryChanges")
    properties = PROPERTIES
    tells_state = True
    get_arguments = BODY_ARGUMENTS
    filter_conditions = email_query.FILTER_CONDITIONS
    extra_conditions = smime.CONDITIONS
    sort_properties = SORTABLE
    query_arguments = (Argument("collapseThreads", boolean, False),)

    async def state(self, context: Context, account: Account) -> str:
        """The state of all Emails, true as of this request."""
        return (await glance_of(context, account)).state("Email")

    async def get(
        self,
        context: Context,
        account: Account,
        ids: list[str] | None,
        properties: tuple[str, ...],
        arguments: Mapping[str, Any],
    ) -> Fetched:
        """Email/get (RFC 8621 §4.2). What never changes is made once and kept as JSON octets."""
        names = _fixed_names(properties)
        content = Wanted(_content(names), body_options(arguments))
        view = _view(account.key, names, content.options)
        with _expecting(context, account, ids, content, view):
            wanted = [name for name in smime.NAMES if name in properties]
            # what is kept of signatures, and told of them, is for a whole index
            mail = await (mail_of(context, account) if wanted else first_page.holding(context, account, ids))
            state = mail.state("Email")
            if ids is None:
                ids = _all_ids(mail, context.limits.max_objects_in_get)
            changing = _changing_parts(mail, ids, [name for name in CHANGING if name in properties])
            fixed = await _fixed_parts(context.cache, mail, list(changing), names, content, view)
            if wanted:
                signed = await smime.members(context, account, mail, list(fixed), wanted)
                fixed = {email_id: part + signed[email_id] for email_id, part in fixed.items() if email_id in signed}
            found = [orjson.Fragment(fixed[email_id] + changing[email_id]) for email_id in ids if email_id in fixed]
            return Fetched(found, await _gone(mail, ids, fixed), state)

    async def changes(self, context: Context, account: Account, since_state: str, max_changes: int | None) -> Changes:
        """Email/changes (RFC 8621 §4.3)."""
        mail = await mail_of(context, account)
        await unread.resume(mail)
        return changes_of(mail, "Email", since_state, max_changes)

    async def create(
        self, context: Context, account: Account, records: Mapping[str, Mapping[str, Any]], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """Email/set create (RFC 8621 §4.6)."""
        return await email_create.create(context, account, await mail_of(context, account), records, arguments)

    async def copy(
        self, context: Context, from_account: Account, account: Account, copies: Mapping[str, Copy]
    ) -> Mapping[str, Mapping[str, Any] | SetError]:
        """Email/copy (RFC 8621 §4.7)."""
        return await email_copy.copy(context, from_account, account, copies)

    async def update(
        self, context: Context, account: Account, updates: Mapping[str, Update], arguments: Mapping[str, Any]
    ) -> Mapping[str, Mapping[str, Any] | SetError | None]:
        """Email/set update: keywords and mailboxIds (RFC 8621 §4.6)."""
        mail = await mail_of(context, account)
        return await email_set.update(mail, writer_of(mail), updates)

    async def destroy(
        self, context: Context, account: Account, ids: Sequence[str], arguments: Mapping[str, Any]
    ) -> Mapping[str, SetError]:
        """Email/set destroy: from all Mailboxes (RFC 8621 §4.6)."""
        mail = await mail_of(context, account)
        return await email_set.destroy(mail, writer_of(mail), ids)

    async def query(self, context: Context, account: Account, query: Query) -> QueryResult:
        """Email/query (RFC 8621 §4.4)."""
        page = await first_page.run(context, account, query)
        if page is not None:
            return page
        mail = await mail_of(context, account)
        return await email_query.run(mail, query, smime.deciders(context, account, mail))

    async def touched_since(self, context: Context, account: Account, query: Query, since_query_state: str) -> set[str]:
        """For Email/queryChanges (RFC 8621 §4.5)."""
        return await email_query.touched_since(await mail_of(context, account), query, since_query_state)


def _expecting(
    context: Context, account: Account, ids: list[str] | None, content: Wanted, view: object
) -> AbstractContextManager[None]:
    """Have the message that a client opens come with the pass, where it is known and was not read before."""
    mail = account.mail
    if mail is None or account.id in context.refreshed or ids is None or len(ids) != 1:
        return nullcontext()
    return nullcontext() if context.cache.get((view, ids[0])) is not None else expecting(mail, ids[0], content)


def _fixed_names(properties: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in properties if name not in (*CHANGING, *smime.NAMES))


def _content(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in INDEXED)


def _all_ids(mail: MailAccount, most: int) -> list[str]:
    rows = mail.emails.all_rows()
    if len(rows) > most:
        raise MethodError("requestTooLarge")  # RFC 8620 §5.1
    return mail.emails.ids(rows)


async def _gone(mail: MailAccount, ids: Sequence[str], found: Container[str]) -> list[str]:
    """The ids that are not found: "records that do not exist" (RFC 8620 §5.1).

    An Email that exists and that the mail server fails over is in neither list, so that the others can be shown and no
    client forgets it; it is told as updated once it can be read. Raises Unavailable where nothing but those was asked
    for.
    """
    missing = [email_id for email_id in ids if email_id not in found]
    withheld = [email_id for email_id in missing if mail.emails.row(email_id) is not None]
    if withheld:
        logger.warning("account %s: %d Emails cannot be read", mail.id, len(withheld))
        await unread.withhold(mail, withheld)
        if len(missing) == len(ids):
            raise Unavailable("the mail server fails over every Email that was asked for")
    return [email_id for email_id in missing if mail.emails.row(email_id) is None]


def _changing_parts(mail: MailAccount, ids: Sequence[str], names: Sequence[str]) -> dict[str, bytes]:
    """The end of each Email's JSON object, as of now: what can change, and the closing brace."""
    emails = mail.emails
    alike: dict[tuple[int, frozenset[int]], bytes] = {}  # a page has few combinations of keywords and Mailboxes
    parts = {}
    for email_id in ids:
        row = emails.row(email_id)
        if row is not None:
            key = emails.like(row)
            if (part := alike.get(key)) is None:
                part = alike[key] = _changing_part(emails, row, names)
            parts[email_id] = part
    return parts


def _changing_part(emails: Emails, row: int, names: Sequence[str]) -> bytes:
    part = b"}"
    if "keywords" in names:
        part = b',"keywords":' + _json_set(emails.keywords(row)) + part
    if "mailboxIds" in names:
        part = b',"mailboxIds":' + _json_set(emails.mailbox_ids(row)) + part
    return part


def _json_set(names: Iterable[str]) -> bytes:
    return orjson.dumps(dict.fromkeys(sorted(names), True))


async def _fixed_parts(
    cache: ByteCache, mail: MailAccount, ids: Sequence[str], names: tuple[str, ...], content: Wanted, view: object
) -> dict[str, bytes]:
    """The beginning of each Email's JSON object: everything that never changes, without the closing brace."""
    parts = {email_id: part for email_id in ids if (part := cache.get((view, email_id))) is not None}
    missing = [email_id for email_id in ids if email_id not in parts]
    if missing:
        made = await _make_fixed(mail, missing, names, content)
        for email_id, values in made.items():
            part = orjson.dumps(values)[:-1]
            cache.put((view, email_id), part)
            parts[email_id] = part
    return parts


@lru_cache(maxsize=256)
def _view(*_: Hashable) -> object:
    """Stands for its arguments in keys of the cache: hashing them for every Email costs more than all the rest."""
    return object()


async def _make_fixed(
    mail: MailAccount, ids: Sequence[str], names: tuple[str, ...], content: Wanted
) -> dict[str, dict[str, Any]]:
    known = [name for name in names if name in INDEXED]
    if not content.properties:
        return await _indexed(mail, ids, known)
    if mail.snapshot.partial is None:
        indexed = await _indexed(mail, ids, known)
        found = await contents(mail, list(indexed), content, lenient=True)
    else:  # what threads the first page is here already: it is worked out while the server reads the messages
        found, indexed = await asyncio.gather(contents(mail, ids, content, lenient=True), _indexed(mail, ids, known))
    return {email_id: indexed[email_id] | values for email_id, values in found.items() if email_id in indexed}


async def _indexed(mail: MailAccount, ids: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    emails = mail.emails
    rows = {email_id: row for email_id in ids if (row := emails.row(email_id)) is not None}
    values: dict[str, dict[str, Any]] = {
        email_id: {
            "id": email_id,
            "blobId": blob_ids.of_email(email_id),
            "threadId": None,
            "size": emails.size[row],
            "receivedAt": utc_date(emails.received_at[row]),
        }
        for email_id, row in rows.items()
    }
    if "threadId" in names:
        thread_ids = await mail.threads.thread_ids(list(rows.values()))
        for email_id, thread_id in zip(rows, thread_ids, strict=True):
            values[email_id]["threadId"] = thread_id
    return {email_id: {name: value[name] for name in names} for email_id, value in values.items()}
