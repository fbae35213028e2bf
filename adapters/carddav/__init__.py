"""CardDAV (RFC 6352): implements the contacts port, on the WebDAV room."""
