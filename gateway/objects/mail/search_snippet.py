"""SearchSnippet/get (RFC 8621 §5): where a message matches a text filter."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from adapters.formats.email import BodyOptions
from adapters.formats.preview import html_text
from gateway.context import Account, Context
from gateway.jmap.arguments import Argument
from gateway.jmap.checks import anything, array_of, id_
from gateway.jmap.errors import MethodError
from gateway.jmap.filters import check_filter, in_use
from gateway.jmap.methods import Answer, Method
from gateway.objects.mail import filter_tree, smime
from gateway.objects.mail.capability import MAIL, mail_of
from gateway.objects.mail.contents import contents
from gateway.objects.mail.email_query import FILTER_CONDITIONS
from gateway.objects.mail.filter_tree import Branch, Leaf, Node
from gateway.objects.mail.search_text import tokens
from gateway.objects.mail.wanted import Wanted

MAX_PREVIEW: Final = 255
"""Octets (RFC 8621 §5)."""

LEAD: Final = 60
"""Characters of text before the first match."""

TEXT_OCTETS: Final = 256 * 1024
SUBJECT_CONDITIONS: Final = frozenset({"text", "subject"})
BODY_CONDITIONS: Final = frozenset({"text", "body"})
WANTED: Final = Wanted(
    ("subject", "textBody", "bodyValues"),
    BodyOptions(("partId", "type"), fetch_text_body_values=True, max_body_value_bytes=TEXT_OCTETS),
)


async def get(context: Context, account: Account, arguments: Mapping[str, Any]) -> Answer:
    """The snippets of the Emails that exist."""
    email_ids: list[str] = list(dict.fromkeys(arguments["emailIds"]))
    if len(email_ids) > context.limits.max_objects_in_get:
        raise MethodError("requestTooLarge")
    conditions = in_use(FILTER_CONDITIONS, smime.CONDITIONS, context.using)
    node = filter_tree.tree(check_filter(arguments["filter"], conditions))
    subject, body = _pattern(node, SUBJECT_CONDITIONS), _pattern(node, BODY_CONDITIONS)
    mail = await mail_of(context, account)
    known = [email_id for email_id in email_ids if mail.emails.row(email_id) is not None]
    # RFC 8621 §5: where it is unable to determine a snippet, it MUST return null for both
    found = await contents(mail, known, WANTED, lenient=True) if subject or body else {}
    snippets = [_snippet(email_id, found.get(email_id), subject, body) for email_id in known]
    missing = [email_id for email_id in email_ids if email_id not in known]
    return Answer({"accountId": arguments["accountId"], "list": snippets, "notFound": missing or None})


def _pattern(node: Node, conditions: frozenset[str]) -> re.Pattern[str] | None:
    """What to mark: the words and phrases of these conditions, but for those below a NOT."""
    words = sorted({word for word in _words(node, conditions) if word}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, words)), re.IGNORECASE) if words else None


def _words(node: Node, conditions: frozenset[str]) -> Sequence[str]:
    if isinstance(node, Leaf):
        return tokens(node.value) if node.name in conditions else ()
    if isinstance(node, Branch) and node.operator != "NOT":
        return [word for child in node.children for word in _words(child, conditions)]
    return ()


def _snippet(
    email_id: str, values: Mapping[str, Any] | None, subject: re.Pattern[str] | None, body: re.Pattern[str] | None
) -> dict[str, Any]:
    return {
        "emailId": email_id,
        "subject": _marked(values["subject"] or "", subject) if subject and values else None,
        "preview": _preview(values, body) if body and values else None,
    }


def _marked(text: str, pattern: re.Pattern[str]) -> str | None:
    """The whole text as HTML with its matches marked; None without a match."""
    pieces, position = [], 0
    for match in pattern.finditer(text):
        pieces += [html.escape(text[position : match.start()], quote=False), _mark(match[0])]
        position = match.end()
    return "".join([*pieces, html.escape(text[position:], quote=False)]) if pieces else None


def _mark(text: str) -> str:
    return f"<mark>{html.escape(text, quote=False)}</mark>"


def _preview(values: Mapping[str, Any], pattern: re.Pattern[str]) -> str | None:
    for part in values["textBody"]:
        value = values["bodyValues"].get(part["partId"])
        if value is None:
            continue
        text = html_text(value["value"], TEXT_OCTETS) if part["type"] == "text/html" else value["value"]
        text = " ".join(text.split())
        match = pattern.search(text)
        if match is not None:
            return _around(text, match.start(), pattern)
    return None


def _around(text: str, position: int, pattern: re.Pattern[str]) -> str:
    """As much of the text around a match as fits; never cut inside an entity, a mark or a character."""
    start = max(0, position - LEAD)
    if start:
        start = text.find(" ", start, position) + 1 or start
    excerpt = text[start : position + MAX_PREVIEW]
    while True:
        marked = _marked(excerpt, pattern) or ""
        excess = len(marked.encode()) - MAX_PREVIEW
        if excess <= 0:
            return marked
        # Every character removed takes at least one octet away, often more through its entity.
        excerpt = excerpt[: -max(1, excess // 8)]


GET: Final = Method(
    "SearchSnippet/get",
    MAIL,
    (Argument("filter", anything, None), Argument("emailIds", array_of(id_))),
    get,
)
