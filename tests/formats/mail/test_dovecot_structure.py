"""Part numbers and octets are those of a real IMAP server, for every message of the corpus (RFC 9051 §6.4.5)."""

import imaplib
import re

from imapclient.response_parser import parse_response

from adapters.formats.bodystructure import Token, part_from_bodystructure
from adapters.formats.mime import Part, parse_message, walk
from tests.formats.mail.corpus import messages
from tests.servers.dovecot import Dovecot

# Where Dovecot finds other parts: a delimiter in place of a blank line; two semicolons hide the boundary from it.
OTHER_TREE = {"mail-parser/eml_malformed_007.eml", "mime4j/mimetools-testmsgs_double-semicolon.eml"}
# It counts the line end before the delimiter to an attached message that has no body of its own; one is no MIME message
# and ends in a lone CR.
LINE_END = 2
# "8 bit" is taken for 7bit; a parameter of a Content-Type without a type is dropped.
OTHER_ENCODING = {"mail-parser/eml_thirdparty_004.eml"}


def _tokens(value: object) -> Token:
    """The library's tuples and numbers as lists and octets."""
    if isinstance(value, tuple):
        return [_tokens(item) for item in value]
    if isinstance(value, int):
        return str(value).encode()
    assert value is None or isinstance(value, bytes)
    return value


def _bodystructure(imap: imaplib.IMAP4, number: int) -> Part:
    _, reply = imap.fetch(str(number), "(BODYSTRUCTURE)")
    lines = [piece for piece in reply if piece is not None]
    parsed = parse_response([tuple(piece) if isinstance(piece, tuple) else piece for piece in lines])
    return part_from_bodystructure(_tokens(parsed[1][1]))


def _facts(part: Part) -> tuple[object, ...]:
    cid = None if part.is_multipart else part.cid  # BODYSTRUCTURE says no Content-ID of a multipart
    return part.section, part.part_id, part.type, part.charset, part.disposition, part.name, cid, part.language


def test_structures_are_those_of_dovecot(dovecot: Dovecot) -> None:
    with imaplib.IMAP4(dovecot.host, dovecot.imap) as imap:
        imap.login("structures", dovecot.password("structures"))
        _compare(imap)


def _compare(imap: imaplib.IMAP4) -> None:
    corpus = {name: re.sub(rb"\r?\n", b"\r\n", data) for name, data in messages().items()}
    imap.create("corpus")
    for data in corpus.values():
        imap.append("corpus", "", "", data)
    imap.select("corpus", readonly=True)
    compared = 0
    for number, (name, data) in enumerate(corpus.items(), start=1):
        if name in OTHER_TREE:
            continue
        ours = list(walk(parse_message(data).root))
        theirs = list(walk(_bodystructure(imap, number)))
        assert [_facts(part) for part in ours] == [_facts(part) for part in theirs], name
        for our, their in zip(ours, theirs, strict=True):
            compared += 1
            assert our.encoding == their.encoding or our.is_multipart or name in OTHER_ENCODING, name
            assert our.is_multipart or their.octets == 0 or abs(our.octets - their.octets) <= LINE_END, name
    assert compared > 500
