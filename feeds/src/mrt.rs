//! Which routes are in an MRT file (RFC 6396, RFC 8050)?
