"""Who is told what: found by the active scheduler, written down, and sent by a thread of its own.

`watch` finds what changed and `digest` sums up a day; both only write rows. `outbox` sends them, each
until it is sent or given up. Nothing is sent inside a web request.
"""
