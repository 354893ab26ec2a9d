"""The embedded PostgreSQL: one private server per `var/`, gone when its last user is gone.

    binaries   where the wheel's programs are
    account    whom the server runs as
    cluster    the folders, settings and first filling of one data folder
    users      the shared lock that says "this process uses the server"
    keeper     the detached parent of the server: restarts it, stops it after the last user
    server     `ensure()`: the front door
    base       Django's backend, whose first connection calls `ensure()`

Nothing here but `base` knows Django, and importing any of it starts nothing.
"""
