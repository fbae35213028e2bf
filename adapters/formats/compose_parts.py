"""EmailBodyParts of an Email to be created: checked against RFC 8621 §4.6 and made a tree of MIME parts."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.formats.compose_headers import Field, header_fields_from
from adapters.formats.compose_words import Token, Unfit, checked, fold, parameter
from adapters.formats.header_forms import parse_header_property
from adapters.formats.mime import MAX_DEPTH, MAX_PARTS
from adapters.formats.parameters import parse_parameterized

__all__ = ["Node", "PartReader", "content_type"]

# Property of an EmailBodyPart -> the header field that it represents.
_REPRESENTS: Final = {
    "type": "content-type",
    "charset": "content-type",
    "name": "content-disposition",
    "disposition": "content-disposition",
    "cid": "content-id",
    "language": "content-language",
    "location": "content-location",
}
_KNOWN: Final = frozenset([*_REPRESENTS, "partId", "blobId", "size", "subParts"])
_OURS: Final = frozenset(["content-transfer-encoding", "mime-version"])
_LONGEST_LOCATION: Final = 800
_DEEPEST: Final = MAX_DEPTH - 1
"""What is written can be read: no deeper and no more parts than `mime.parse_message` follows."""

_TYPE = re.compile(r"[A-Za-z0-9!#$&+.^_-]{1,127}/[A-Za-z0-9!#$&+.^_-]{1,127}")  # RFC 6838 §4.2
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]{1,60}")  # RFC 2045 §5.1
_LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")  # RFC 5646 §2.1, in its widest sense
_ID = re.compile(r"[!-;=?-~]{1,900}")
_URI = re.compile(r"[!-~]+")
_BLOB_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")


@dataclass(slots=True)
class Node:
    """A part to be written. A leaf has either `value` (text, its line ends as they come) or `blob_id`.

    type: None where nobody said (it is the blob's then). charset: of a blob. name_in_type: the name as a parameter of
    Content-Type, where there is no disposition. given_type: a Content-Type value that the client wrote itself.
    fields: all other header fields of the part.
    """

    path: str
    type: str | None
    value: str | None = None
    blob_id: str | None = None
    charset: str | None = None
    name_in_type: str | None = None
    given_type: str | None = None
    disposition: str | None = None
    cid: str | None = None
    fields: list[Field] = field(default_factory=list)
    children: list["Node"] = field(default_factory=list)

    @property
    def is_multipart(self) -> bool:
        """Whether this is a multipart/* with parts of its own."""
        return bool(self.children)


class PartReader:
    """Reads EmailBodyParts; what is wrong is collected in `faults`, path -> the end of a sentence."""

    def __init__(self, values: Any, faults: dict[str, str]) -> None:
        self.faults = faults
        self.values = self._values(values)
        self.count = 0

    def _values(self, values: Any) -> dict[str, str]:
        """partId -> text. Raises nothing: a wrong EmailBodyValue is a fault."""
        if values is None:
            return {}
        if not isinstance(values, dict):
            self.faults["bodyValues"] = "must be an object"
            return {}
        return {part_id: self._value(f"bodyValues/{part_id}", value) for part_id, value in values.items()}

    def _value(self, path: str, value: Any) -> str:
        text = value.get("value") if isinstance(value, dict) else None
        if not isinstance(text, str) or not _encodes(text):
            self.faults[path] = "must be an EmailBodyValue"
            return ""
        for name in value:
            if name in ("isEncodingProblem", "isTruncated"):
                if value[name] is not False:  # RFC 8621 §4.6
                    self.faults[f"{path}/{name}"] = "must be false"
            elif name != "value":
                self.faults[f"{path}/{name}"] = "is unknown"
        return text

    def read(self, part: Any, path: str, *, must_be: str | None = None, depth: int = 0) -> Node | None:
        """One EmailBodyPart with everything below it, None where it is too wrong to go on.

        must_be: the only type that is allowed here.
        """
        self.count += 1
        if not isinstance(part, dict):
            self.faults[path] = "must be an EmailBodyPart"
            return None
        if depth > _DEEPEST or self.count > MAX_PARTS:
            if self.count <= MAX_PARTS + 1:
                self.faults[path] = "is one part too many or too deep"
            return None
        part = {name: value for name, value in part.items() if value is not None}
        self._check_names(part, path)
        node = Node(path, must_be)
        node.fields = header_fields_from(part, f"{path}/", self.faults)
        self._take_given(node, part)
        for name, take in _TAKERS:
            if name in part:
                try:
                    take(node, part[name])
                except Unfit as error:
                    self.faults[f"{path}/{name}{error.path}"] = error.what
        self._describe(node, part)
        if must_be is not None and (node.type or "").lower() != must_be:
            self.faults[f"{path}/type"] = f"must be {must_be}"  # RFC 8621 §4.6
        if _is_multipart(node.type) or "subParts" in part:
            self._take_children(node, part, depth)
        else:
            self._take_content(node, part)
        return node

    def _check_names(self, part: Mapping[str, Any], path: str) -> None:
        represented = {_REPRESENTS[name] for name in part if name in _REPRESENTS}
        if "name" in part and "disposition" not in part:
            represented.add("content-type")
        for name in part:
            wanted = parse_header_property(name)
            if wanted is None:
                if name not in _KNOWN and not name.startswith("header:"):  # also "headers": RFC 8621 §4.6
                    self.faults[f"{path}/{name}"] = "must not be given" if name == "headers" else "is unknown"
            elif wanted.name.lower() in _OURS:  # RFC 8621 §4.6
                self.faults[f"{path}/{name}"] = "is chosen by the server"
            elif wanted.name.lower() in represented:  # RFC 8621 §4.6
                self.faults[f"{path}/{name}"] = "represents the same header field as another property"

    def _take_given(self, node: Node, part: Mapping[str, Any]) -> None:
        """A Content-Type that the client wrote itself: it decides the type, and is completed when it is written."""
        for name, octets in [item for item in node.fields if item[0] == "content-type"]:
            node.fields.remove((name, octets))
            value = octets.partition(b":")[2].strip()
            head, params = parse_parameterized(value)
            prop = next(key for key in part if key.lower().startswith("header:content-type"))
            if not (value.isascii() and _TYPE.fullmatch(head)) or b"\r" in value or node.given_type is not None:
                self.faults[f"{node.path}/{prop}"] = "must be one media type on one line, in ASCII"
            elif "boundary" in params:
                self.faults[f"{node.path}/{prop}"] = "must not have a boundary, which is chosen by the server"
            elif "partId" in part and params.get("charset", "utf-8").lower() != "utf-8":
                self.faults[f"{node.path}/{prop}"] = "must have no charset but utf-8 where a partId is given"
            else:
                node.type, node.given_type = head, value.decode("ascii")
                if "partId" in part and "charset" not in params:
                    node.given_type += "; charset=utf-8"

    def _describe(self, node: Node, part: Mapping[str, Any]) -> None:
        """Content-Disposition, and where the name goes."""
        try:
            name = checked(part.get("name", ""))
            if "disposition" in part:
                _take_disposition(node, part["disposition"])
        except Unfit:
            return  # reported already
        if node.disposition is not None:
            node.fields.append(disposition_field(node.disposition, name))
        elif name:
            node.name_in_type = name

    def _take_children(self, node: Node, part: Mapping[str, Any], depth: int) -> None:
        node.type = node.type or "multipart/mixed"
        if not _is_multipart(node.type):
            self.faults[f"{node.path}/subParts"] = "must not be given on what is no multipart/*"
            return
        for name in ("partId", "blobId", "charset"):
            if name in part:
                self.faults[f"{node.path}/{name}"] = "must not be given on a multipart/*"
        parts = part.get("subParts")
        if not isinstance(parts, list) or not parts:
            self.faults[f"{node.path}/subParts"] = "must be an array of at least one EmailBodyPart"
            return
        for index, child in enumerate(parts):
            found = self.read(child, f"{node.path}/subParts/{index}", depth=depth + 1)
            if found is not None:
                node.children.append(found)

    def _take_content(self, node: Node, part: Mapping[str, Any]) -> None:
        if ("partId" in part) == ("blobId" in part):  # RFC 8621 §4.6
            self.faults[f"{node.path}/partId"] = "must be given, or else a blobId, but not both"
        elif "blobId" in part:
            if not isinstance(part["blobId"], str) or not _BLOB_ID.fullmatch(part["blobId"]):
                self.faults[f"{node.path}/blobId"] = "must be an Id"
            node.blob_id = part["blobId"]
        else:
            self._take_value(node, part)

    def _take_value(self, node: Node, part: Mapping[str, Any]) -> None:
        for name in ("charset", "size"):  # RFC 8621 §4.6
            if name in part:
                self.faults[f"{node.path}/{name}"] = "must not be given with a partId"
        node.type = node.type or "text/plain"
        part_id = part["partId"]
        if not node.type.lower().startswith("text/"):
            self.faults[f"{node.path}/type"] = "must be text/* where a partId is given"
        elif not isinstance(part_id, str) or part_id not in self.values:  # RFC 8621 §4.6
            self.faults[f"{node.path}/partId"] = "must be in bodyValues"
        else:
            node.value = self.values[part_id]


def content_type(node: Node, blob_type: str | None = None, boundary: str | None = None) -> bytes:
    """The Content-Type field of a part.

    blob_type: what an upload was given as, for a part of which nobody says what it is.
    """
    parameters: list[str] = []
    if node.given_type is None and node.value is not None:
        parameters += parameter("charset", "utf-8")
    elif node.given_type is None and node.charset is not None:
        parameters += parameter("charset", node.charset)
    if node.name_in_type is not None:
        parameters += parameter("name", node.name_in_type)
    if boundary is not None:
        parameters.append(f'boundary="{boundary}"')
    head = node.given_type or node.type or _blob_type(blob_type)
    return fold("Content-Type", _with_parameters(head, parameters))


def _blob_type(blob_type: str | None) -> str:
    # An upload's type is whatever the client said at that time.
    kind = (blob_type or "").partition(";")[0].strip()
    return kind if _TYPE.fullmatch(kind) and not _is_multipart(kind) else "application/octet-stream"


def disposition_field(disposition: str, name: str) -> Field:
    """Content-Disposition (RFC 2183) with the file name."""
    parameters = parameter("filename", name) if name else []
    return "content-disposition", fold("Content-Disposition", _with_parameters(disposition, parameters))


def _with_parameters(head: str, parameters: list[str]) -> list[Token]:
    words = [head, *parameters]
    return [(" ", word) for word in (*(f"{word};" for word in words[:-1]), words[-1])]


def _is_multipart(kind: str | None) -> bool:
    return kind is not None and kind.lower().startswith("multipart/")


def _encodes(text: str) -> bool:
    """Whether the text has no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _matching(value: Any, form: re.Pattern[str], what: str) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        raise Unfit(f"must be {what}")
    return value


def _take_type(node: Node, value: Any) -> None:
    node.type = _matching(value, _TYPE, "a media type without parameters")


def _take_charset(node: Node, value: Any) -> None:
    node.charset = _matching(value, _TOKEN, "the name of a charset")


def _take_disposition(node: Node, value: Any) -> None:
    node.disposition = _matching(value, _TOKEN, "a disposition such as attachment")


def _take_name(_node: Node, value: Any) -> None:
    checked(value)


def _take_cid(node: Node, value: Any) -> None:
    node.cid = _matching(value, _ID, "an id without brackets and white space")
    node.fields.append(("content-id", fold("Content-ID", [(" ", f"<{value}>")])))


def _take_language(node: Node, value: Any) -> None:
    if not isinstance(value, list) or not value:
        raise Unfit("must be an array of language tags")
    tags = [_matching(tag, _LANGUAGE, "an array of language tags") for tag in value]
    words = [*(f"{tag}," for tag in tags[:-1]), tags[-1]]
    node.fields.append(("content-language", fold("Content-Language", [(" ", word) for word in words])))


def _take_location(node: Node, value: Any) -> None:
    uri = _matching(value, _URI, "a URI")
    if len(uri) > _LONGEST_LOCATION:
        raise Unfit("is too long")
    node.fields.append(("content-location", fold("Content-Location", [(" ", uri)])))


def _take_size(_node: Node, value: Any) -> None:
    """Ignored with a blobId: the blob has its own (RFC 8621 §4.6)."""
    if type(value) is not int or value < 0:
        raise Unfit("must be an UnsignedInt")


_TAKERS: Final[tuple[tuple[str, Callable[[Node, Any], None]], ...]] = (
    ("type", _take_type),
    ("charset", _take_charset),
    ("disposition", _take_disposition),
    ("name", _take_name),
    ("cid", _take_cid),
    ("language", _take_language),
    ("location", _take_location),
    ("size", _take_size),
)
