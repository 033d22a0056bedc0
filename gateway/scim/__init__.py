"""RFC 7643, 7644 and 9865 as pure functions: dict in, dict out, standard library only.

Owns the protocol's data: schemas, paths, filters, PATCH, dialects, projection, messages, discovery, versions, cursors.
Leaves storage, clocks and transport to others: nothing here is ``async``, reads a file at run time other than its own
schemas, or asks what time it is.
"""
