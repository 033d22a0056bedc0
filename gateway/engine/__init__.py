"""Use cases without HTTP: create, read, search, replace, patch, delete and bulk, and the guard around every call to
a backend.

Owns the order of things: backend first, then store; what is retried and what is read back. Leaves the protocol to
`scim`, translation to `mapping`, ids to `identity`, transport to `server`.
"""
