"""Optional help for authors of backends: filters, pages and changes worked out in memory where a system cannot.

Nothing here talks to a system, and no backend has to use any of it.
"""
