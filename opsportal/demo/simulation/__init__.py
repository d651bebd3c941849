"""A stand-in for the programs that write the tables: orchestrators, request workers, agents.

They run as generators on one loop (`loop`), which yields the seconds each pauses, so that a simulator of
any size is one thread and stops at once. What they have in common is the `world`.
"""
