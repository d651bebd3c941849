"""A stand-in for the programs that write the tables: orchestrators, request workers, agents.

They are coroutines on one asyncio loop, so that a simulator of any size is one thread. What they have in common is the
`world`.
"""
