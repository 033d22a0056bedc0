"""The gateway on the network: routes, authentication, limits, rendering; the only room that knows aiohttp's server.

Owns everything HTTP, from the socket to `Call` and back from `Answer`. Leaves use cases to `engine` and the protocol's
documents to `scim`. `site` says what is served, `application` serves it.
"""
