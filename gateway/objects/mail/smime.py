"""S/MIME signatures of Emails: the properties and conditions of RFC 9219, worked out only when they are asked for."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import orjson

from adapters.formats.smime.kinds import Kind
from gateway.context import Account, Context
from gateway.jmap.checks import Check, anything, boolean
from gateway.jmap.properties import Property
from gateway.objects.mail.dates import utc_date
from gateway.objects.mail.filter_tree import SMIME_CONDITIONS
from gateway.objects.mail.selection import Decider
from gateway.objects.mail.smime_octets import kinds_of, signed_messages
from gateway.sync.account import MailAccount
from gateway.sync.verdicts import FAILED, VERIFIED, Signatures, Verdict, succeed

SMIME: Final = "urn:ietf:params:jmap:smimeverify"
NAMES: Final = ("smimeStatus", "smimeStatusAtDelivery", "smimeErrors", "smimeVerifiedAt")
PROPERTIES: Final = tuple(Property(name, anything, server_set=True, capability=SMIME) for name in NAMES)
CONDITIONS: Final[Mapping[str, Mapping[str, Check]]] = {SMIME: dict.fromkeys(SMIME_CONDITIONS, boolean)}

BATCH: Final = 32
"""Messages that are fetched, verified and kept together: what is done stays done when a request is given up."""

# RFC 9219 §4.1: nothing signed; S/MIME of another kind, or signed but not by S/MIME; signed, but not looked at.
NOTHING: Final = Verdict(None, None)
UNKNOWN: Final = Verdict("unknown", "unknown")
UNVERIFIED: Final = Verdict("signed", "signed")


async def members(
    context: Context, account: Account, mail: MailAccount, email_ids: Sequence[str], names: Sequence[str]
) -> dict[str, bytes]:
    """The properties as members of a JSON object, each with a comma before it, by Email id; gone ids are left out."""
    found = await verdicts(context, account, mail, email_ids)
    return {email_id: b"".join(_member(name, verdict) for name in names) for email_id, verdict in found.items()}


def _member(name: str, verdict: Verdict) -> bytes:
    values: dict[str, object] = {
        "smimeStatus": verdict.status,
        "smimeStatusAtDelivery": verdict.at_delivery,
        "smimeErrors": list(verdict.errors) or None,
        "smimeVerifiedAt": utc_date(verdict.verified_at) if verdict.verified_at else None,
    }
    return b',"' + name.encode() + b'":' + orjson.dumps(values[name])


def deciders(context: Context, account: Account, mail: MailAccount) -> dict[str, Decider]:
    """How the conditions of RFC 9219 §4.2 are decided where they are true."""

    async def has_smime(email_ids: Sequence[str]) -> dict[str, bool]:
        kinds = await kinds_of(context, account, mail, email_ids)
        return {email_id: kind is not None for email_id, kind in kinds.items()}

    async def is_verified(email_ids: Sequence[str]) -> dict[str, bool]:
        found = await verdicts(context, account, mail, email_ids)
        return {email_id: verdict.status == VERIFIED for email_id, verdict in found.items()}

    async def was_verified(email_ids: Sequence[str]) -> dict[str, bool]:
        found = await verdicts(context, account, mail, email_ids)
        return {email_id: verdict.at_delivery == VERIFIED for email_id, verdict in found.items()}

    return {"hasSmime": has_smime, "hasVerifiedSmime": is_verified, "hasVerifiedSmimeAtDelivery": was_verified}


async def verdicts(
    context: Context, account: Account, mail: MailAccount, email_ids: Sequence[str]
) -> dict[str, Verdict]:
    """What is known of the signatures of Emails, and found out where it isn't; ids that are gone are left out."""
    if account.signatures is None:
        return dict.fromkeys(email_ids, NOTHING)
    kinds = await kinds_of(context, account, mail, email_ids)
    signed = {email_id: kind for email_id, kind in kinds.items() if kind in ("detached", "opaque")}
    found = {email_id: UNKNOWN if kind == "unknown" else NOTHING for email_id, kind in kinds.items()}
    for email_id in signed:
        del found[email_id]
    if signed:
        trust = await account.signatures.judge.trust()
        found |= await _Verification(context, account, account.signatures, mail, trust).run(signed)
    return found


@dataclass(frozen=True, slots=True)
class _Verification:
    """What it takes to find out about the signatures of one account's Emails."""

    context: Context
    account: Account
    signatures: Signatures
    mail: MailAccount
    trust: str

    async def run(self, kinds: Mapping[str, Kind | None]) -> dict[str, Verdict]:
        now, max_age = time.time(), self.signatures.max_age
        known = await self.signatures.verdicts.read(list(kinds))
        found = {one: verdict for one, verdict in known.items() if verdict.is_good(now, max_age, self.trust)}
        stale = [email_id for email_id in kinds if email_id not in found]
        for start in range(0, len(stale), BATCH):
            batch = {email_id: kinds[email_id] for email_id in stale[start : start + BATCH]}
            found |= await self._verify(batch, known)
        return found

    async def _verify(self, kinds: Mapping[str, Kind | None], known: Mapping[str, Verdict]) -> dict[str, Verdict]:
        emails, most = self.mail.emails, self.signatures.max_octets
        rows = {email_id: row for email_id in kinds if (row := emails.row(email_id)) is not None}
        large = [email_id for email_id, row in rows.items() if emails.size[row] > most]
        todo = {email_id: kinds[email_id] for email_id in rows if email_id not in large}
        new: dict[str, Verdict] = {}
        async for email_id, message in signed_messages(self.context, self.account, self.mail, todo):
            now = int(time.time())
            moments = [datetime.fromtimestamp(at, UTC) for at in (now, emails.received_at[rows[email_id]])]
            errors, errors_then = await self.signatures.judge.judge(message, moments)
            verdict = Verdict(_status(errors), _status(errors_then), tuple(errors), now, self.trust)
            new[email_id] = succeed(known.get(email_id), verdict)
        await self._keep(new, known)
        return new | dict.fromkeys(large, UNVERIFIED)

    async def _keep(self, new: Mapping[str, Verdict], known: Mapping[str, Verdict]) -> None:
        """Clients are told first (RFC 9219 §4.3): to be told twice does no harm, never to be told would."""
        changed = [one for one, verdict in new.items() if one in known and verdict.differs(known[one])]
        if changed:
            await self.mail.tell_updated(changed)
        if new:
            await self.signatures.verdicts.write(new, lambda one: self.mail.emails.row(one) is not None)


def _status(errors: Sequence[str]) -> str:
    return FAILED if errors else VERIFIED
