"""CalDAV (RFC 4791, 6638) as the calendar port. The library of the same name is a tool of the tests."""
