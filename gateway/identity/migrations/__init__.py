"""The store's schema, step by step: one Alembic revision per file of ``versions``.

Rules of a step: it only adds (tables, columns with defaults, indexes), so that the program before it goes on working
during a rolling restart; what an old step made is taken away one release later, and the step that does so says in
`READABLE_BY` which program is the oldest that can still work (expand, then contract).
"""
