"""What an action leaves behind: audit entries, images for undo, messages to the outside, and who sends them.

``tags`` names the actions, ``changes`` builds a conditional update, ``transactions`` commits it with its
entry, ``entries`` and ``feeds`` read entries, ``images`` keeps items for ``undo``, ``outbox`` and ``worker``
carry messages out, ``observation`` compares what was written with what became of it.
"""
