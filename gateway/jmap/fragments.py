"""Objects of a result that were serialised before: kept as JSON bytes until somebody looks into them.

A /get hook may put `orjson.Fragment` objects into its list. The response is then written without decoding them;
a result reference or a /set that needs their values decodes the one it needs.
"""

from typing import Any

import orjson


def plain(value: Any) -> Any:
    """The value itself, or the decoded value of a fragment."""
    if isinstance(value, orjson.Fragment):
        return orjson.loads(orjson.dumps(value))
    return value
