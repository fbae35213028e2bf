"""What an adapter may raise. The gateway turns each into a JMAP error in one table (gateway/jmap/errors.py)."""


class AdapterError(Exception):
    """Base of all errors that cross a port. The message is for the log, never for a client."""


class NotFound(AdapterError):
    """The folder, message, part, collection or resource does not exist (any more)."""


class Forbidden(AdapterError):
    """The backend understood and refuses: missing right, read-only mailbox, policy."""


class Conflict(AdapterError):
    """A precondition failed: somebody else changed the object first (ETag, UIDVALIDITY, MODSEQ)."""


class OverQuota(AdapterError):
    """The backend has no room left for this user."""


class TooLarge(AdapterError):
    """The object is larger than the backend accepts."""


class Unavailable(AdapterError):
    """The backend cannot be reached, timed out, broke the protocol or is temporarily refusing.

    Trying again later may succeed; the credentials are not in question.
    """


class Broken(Unavailable):
    """The backend answers, but that it cannot serve this one folder or object: others are not in question."""


class AuthFailed(AdapterError):
    """The backend says that these credentials are wrong (and nothing else: an outage is Unavailable)."""


class Unsupported(AdapterError):
    """The backend cannot do this at all."""


class InvalidData(AdapterError):
    """The backend or a parser refuses the content: bad name, bad message, bad object."""
