"""Parsed forms of header fields: RFC 8621 §4.1.2 and §4.1.3."""

import unicodedata

import pytest

from adapters.formats.addresses import MAX_ADDRESSES, EmailAddress
from adapters.formats.header_forms import (
    ALLOWED,
    FORMS,
    HeaderProperty,
    as_addresses,
    as_date,
    as_grouped_addresses,
    as_message_ids,
    as_raw,
    as_text,
    as_urls,
    header_fields,
    header_property,
    parse_header_property,
)

# RFC 8621 §4.1.2.3, with the encoded word in its own line as in the RFC
EXAMPLE = (
    b' "  James Smythe" <james@example.com>, Friends:\r\n'
    b"  jane@example.com, =?UTF-8?Q?John_Sm=C3=AEth?=\r\n  <john@example.com>;"
)
JAMES: EmailAddress = {"name": "James Smythe", "email": "james@example.com"}
JANE: EmailAddress = {"name": None, "email": "jane@example.com"}
JOHN: EmailAddress = {"name": "John Smîth", "email": "john@example.com"}


def test_fields_keep_order_case_and_folding() -> None:
    header = b"From x\r\nSubject: a\r\n b\r\nX-One:1\r\nnot a field\r\nsubject :\r\n\r\n"
    assert header_fields(header) == [("Subject", b" a\r\n b"), ("X-One", b"1"), ("subject", b"")]
    assert header_fields(b"A: b\n\tc\nB: d") == [("A", b" b\n\tc"), ("B", b" d")]


class TestRaw:
    """§4.1.2.1"""

    def test_is_the_value_from_the_colon_to_the_final_line_end(self) -> None:
        assert as_raw(b" a\r\n  =?utf-8?q?b?=") == " a\r\n  =?utf-8?q?b?="

    def test_invalid_utf8_is_replaced_and_nul_dropped(self) -> None:
        assert as_raw(b" \xc3\xa9 \xe9 a\0b") == " é \ufffd ab"


class TestText:
    """§4.1.2.2"""

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (b"  a\r\n b", "a b"),  # steps 1 and 3
            (b" a ", "a "),  # only white space at the beginning is removed
            (b" =?utf-8?Q?caf=C3=A9_x?=", "café x"),  # step 4
            (b" =?ISO-8859-1*fr?B?6Q==?=", "é"),  # RFC 2231 §5: language
            (b" =?utf-8?q?a?= =?utf-8?q?b?=", "ab"),  # RFC 2047 §6.2
            (b" =?utf-8?q?a?=\r\n =?iso-8859-1?q?=E9?= c", "aé c"),
            (b" =?utf-8?B?w6k?= =?utf-8?b?4oI=?= =?utf-8?b?rA==?=", "é€"),  # characters split between words
            (b" x=?utf-8?q?a?=", "x=?utf-8?q?a?="),  # placement: MUST NOT be decoded
            (b" =?utf-8?q?a?=x", "=?utf-8?q?a?=x"),
            (b" =?utf-8?q?a b?=", "=?utf-8?q?a b?="),  # white space inside: MUST NOT be decoded
            (b" =?x-unknown?q?a?= b", "=?x-unknown?q?a?= b"),  # not a known charset
            (b" =?utf-8?q?a=00=07=7Fb=0D=0A?=", "ab"),  # NUL and controls are dropped
            (b" =?utf-8?q?a=FFb?=", "a\ufffdb"),  # SHOULD insert U+FFFD and go on
            (b" Gr\xc3\xbc\xc3\x9fe", "Grüße"),  # RFC 6532
            (b" Gr\xfc\xdfe \x80", "Grüße €"),  # the usual violation
            (b" =?utf-7?q?+2AA-?=", "\ufffd"),  # a lone surrogate
            (b" =?utf-8?q?=EF=BF=BF?=", "\ufffd"),  # a noncharacter (RFC 7493 §2.1)
            (b" =?unicode_escape?q?=5Cx41?=", "=?unicode_escape?q?=5Cx41?="),  # a codec, but not a charset
            (b"", ""),
        ],
    )
    def test_rules(self, value: bytes, text: str) -> None:
        assert as_text(value) == text

    def test_is_in_normalization_form_c(self) -> None:  # step 5
        assert as_text("e\u0301".encode()) == "é"
        long = "e\u0301 " * 5000
        assert as_text(long.encode()) == unicodedata.normalize("NFC", long)


class TestAddresses:
    """§4.1.2.3 and §4.1.2.4"""

    def test_the_example(self) -> None:
        assert as_addresses(EXAMPLE) == [JAMES, JANE, JOHN]
        assert as_grouped_addresses(EXAMPLE) == [
            {"name": None, "addresses": [JAMES]},
            {"name": "Friends", "addresses": [JANE, JOHN]},
        ]

    @pytest.mark.parametrize(
        ("value", "name", "email"),
        [
            (b" Joe Q. Public <john.q.public@example.com>", "Joe Q. Public", "john.q.public@example.com"),
            (b' "Giant; \\"Big\\" Box" <a@b.example>', 'Giant; "Big" Box', "a@b.example"),
            (b' "a\r\n b " <a@b>', "a b", "a@b"),
            (b" <boss@nil.test>", None, "boss@nil.test"),
            (b" a@b.example (Jane (J) Doe)", "Jane (J) Doe", "a@b.example"),  # a comment instead of a name
            (b" a@b (=?utf-8?q?J=C3=A4?=)", "Jä", "a@b"),
            (b" Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete", "pete@silly.test"),
            (b" Mary Smith <@machine.tld,@b:mary@example.net>", "Mary Smith", "mary@example.net"),  # RFC 5322 A.6.1
            (b" jdoe@test  . example", None, "jdoe@test.example"),  # RFC 5322 A.6.3
            (b" joe@[IPv6:::1]", None, "joe@[IPv6:::1]"),
            (b' "john doe"@example.com', None, '"john doe"@example.com'),
            (b" =?utf-8?q?Doe=2C_J?= <j@d>", "Doe, J", "j@d"),
            (b" =?utf-8?Q?Doe,_J?= <j@d>", "Doe, J", "j@d"),  # a bare comma inside of the word
            (b' "=?utf-8?q?a?=" <a@b>', "=?utf-8?q?a?=", "a@b"),  # RFC 2047 §5: never inside a quoted-string
            (b" =?utf-8?q?=C3=A9?= =?utf-8?q?t=C3=A9?= <a@b>", "été", "a@b"),
            (b' =?utf-8?q?A?= "B" <a@b>', "A B", "a@b"),
            (b" J\xc3\xb6rg <j\xc3\xb6rg@ex\xc3\xa4mple.com>", "Jörg", "jörg@exämple.com"),  # RFC 6532
            (b" root", None, "root"),  # best effort: need not contain an @
            (b" John Doe john@example.com", "John Doe", "john@example.com"),
            (b' "unclosed <a@b>', '"unclosed', "a@b"),
            (b" a@b (unclosed", "(unclosed", "a@b"),
            (b" Jane <jane@b", "Jane", "jane@b"),
            (b" a@x <a@x>", "a@x", "a@x"),
        ],
    )
    def test_one_mailbox(self, value: bytes, name: str | None, email: str) -> None:
        assert as_addresses(value) == [{"name": name, "email": email}]

    def test_lists_with_empty_items_and_wrong_separators(self) -> None:
        assert [a["email"] for a in as_addresses(b" ,a@b,, c@d;e@f ,")] == ["a@b", "c@d", "e@f"]
        assert [a["email"] for a in as_addresses(b" A <a@b, B <c@d>")] == ["a@b", "c@d"]

    def test_an_empty_group_has_no_addresses(self) -> None:
        value = b" undisclosed-recipients:;"
        assert as_addresses(value) == []
        (group,) = as_grouped_addresses(value)
        assert (group["name"], group["addresses"]) == ("undisclosed-recipients", [])

    def test_mailboxes_after_a_group_are_collected_again(self) -> None:
        groups = as_grouped_addresses(b' "A B": a@b; c@d, e@f, G: ;')
        assert [(g["name"], len(g["addresses"])) for g in groups] == [("A B", 1), (None, 2), ("G", 0)]

    def test_the_number_is_bounded(self) -> None:
        assert len(as_addresses(b"a@b," * (MAX_ADDRESSES + 5))) == MAX_ADDRESSES
        assert len(as_grouped_addresses(b"a:;" * (MAX_ADDRESSES + 5))) <= MAX_ADDRESSES


class TestMessageIds:
    """§4.1.2.5"""

    @pytest.mark.parametrize(
        ("value", "ids"),
        [
            (b" <a@b>", ["a@b"]),
            (b" <a@b>\r\n\t<c@d><e@f>", ["a@b", "c@d", "e@f"]),
            (b" (c <x@y>) <a@b> (z)", ["a@b"]),  # CFWS removed
            (b" Your message of today <a(1)@b>", ["a(1)@b"]),  # obsolete phrase
            (b" < a@\r\n b >", ["a@b"]),
            (b" nothing", None),  # parsing fails
            (b" <>", None),
            (b"", None),
        ],
    )
    def test_rules(self, value: bytes, ids: list[str] | None) -> None:
        assert as_message_ids(value) == ids


class TestDate:
    """§4.1.2.6"""

    @pytest.mark.parametrize(
        ("value", "date"),
        [
            (b" Tue, 10 Jul 2018 11:03:11 +1000", "2018-07-10T11:03:11+10:00"),  # §4.10
            (b" Tue,  1 Jul 2018 11:03:11 -0330 (NDT)", "2018-07-01T11:03:11-03:30"),
            (b" 1 Jul 2018 11:03 +0000", "2018-07-01T11:03:00Z"),
            (b" Thu, 13 Feb 1969 23:32 -0330 (Newfoundland (odd) Time)", "1969-02-13T23:32:00-03:30"),
            (b" Fri, 21 Nov 97 09(comment):   55  :  06 -0600", "1997-11-21T09:55:06-06:00"),  # RFC 5322 A.6.2, A.6.3
            (b" 21 Nov 04 09:55:06 EST", "2004-11-21T09:55:06-05:00"),
            (b" 21 Nov 104 09:55:06 GMT", "2004-11-21T09:55:06Z"),
            (b" Mon, 29 Feb 2016 23:59:60 +0000", "2016-02-29T23:59:60Z"),
            (b" Mon, 29 Feb 2017 00:00:00 +0000", None),
            (b" 10 Jul 2018 24:00:00 +0000", None),
            (b" 10 Jul 2018 11:03:11 +2460", None),
            (b" 10 Foo 2018 11:03:11 +0000", None),
            (b" 10 Jul 0000 11:03:11 +0000", None),
            (b" yesterday", None),
            ("\u0661\u0660 Jul 2018 11:03:11 +0000".encode(), None),  # digits, but not ASCII
            (b"", None),
        ],
    )
    def test_rules(self, value: bytes, date: str | None) -> None:
        assert as_date(value) == date


class TestUrls:
    """§4.1.2.7"""

    @pytest.mark.parametrize(
        ("value", "urls"),
        [
            (b" <mailto:partytime@lists.example.com>", ["mailto:partytime@lists.example.com"]),  # §4.2.1
            (b" (Use FTP <x>) <ftp://a/b>,\r\n <mailto:\r\n c@d> (last)", ["ftp://a/b", "mailto:c@d"]),  # RFC 2369
            (b" NO (posting not allowed)", None),
        ],
    )
    def test_rules(self, value: bytes, urls: list[str] | None) -> None:
        assert as_urls(value) == urls


class TestHeaderProperties:
    """§4.1.3"""

    FIELDS = header_fields(b"Subject: one\r\nTo: a@b\r\nSUBJECT: two\r\nTo: c@d, e@f\r\n")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("header:subject", " two"),  # raw form, the last instance, names without case
            ("header:Subject:asText:all", ["one", "two"]),
            ("header:Cc", None),  # none: null,
            ("header:Cc:all", []),  # or an empty array
            ("header:To:asAddresses", [{"name": None, "email": "c@d"}, {"name": None, "email": "e@f"}]),
        ],
    )
    def test_values(self, name: str, value: object) -> None:
        wanted = parse_header_property(name)
        assert wanted is not None
        assert header_property(self.FIELDS, wanted) == value

    @pytest.mark.parametrize(
        "name",
        [
            *("header:", "header::asText", "header:a b", "header:Ä", "header:a:all:asText", "header:a:astext"),
            *("header:a:asFoo", "header:a:", "header:a:all:all", "subject", "header:From:asDate", "header:a\n"),
            *("header:Received:asText", "header:List-Post:asText", "header:subject:asAddresses"),
        ],
    )
    def test_malformed_and_forbidden_ones_are_refused(self, name: str) -> None:  # §4.2: invalidArguments
        assert parse_header_property(name) is None

    def test_every_field_may_be_had_raw_and_unknown_fields_in_every_form(self) -> None:
        for name in ALLOWED:
            assert parse_header_property(f"header:{name}") == HeaderProperty(name, "asRaw", all=False)
        for form in FORMS:
            assert parse_header_property(f"header:X-Own:{form}:all") == HeaderProperty("X-Own", form, all=True)
            assert parse_header_property(f"header:List-Id:{form}") is not None  # RFC 2919, so in neither of the two
