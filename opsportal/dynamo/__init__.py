"""All that knows DynamoDB, and nothing of the domain.

``tables`` declares and binds them, ``clients`` talks to them within a time budget, ``spending`` counts
what that costs, ``errors`` names what can go wrong, ``attributes`` and ``models`` read what other
programs wrote without raising, ``pages``, ``partitions`` and ``cursors`` read lists, ``creation`` and
``migrations`` make the tables.
"""
