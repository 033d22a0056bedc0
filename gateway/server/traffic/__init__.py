"""How much may come in: token buckets per tenant and caller, a share of what is under way, sources that fail to
authenticate, and the brake on mass changes (X8, X14, X15, M8).

Counts live in this process or, for several, in Redis (`shared`); where Redis cannot be used each process counts for
itself. Deprovisioning is recognised here, for it is never held back by a rate.
"""
