"""WebDAV (RFC 4918) for CalDAV, CardDAV and files, on aiohttp and lxml."""
