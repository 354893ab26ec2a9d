"""Bringing StockSync up on one machine: what `make run` does, in order.

    install      the virtual environment (runs before anything is installed)
    checks       what must hold before a start, each failure one sentence
    preparation  migrations and the admin account, in a process of its own
    relay        the supervisor as a child: its lines, its signals, its end
    supervised   the supervisor itself, with lines like everybody's
    after        starts a program once a file is there
    tied         starts a program that dies with its parent

`stocksync/run.py` calls them.
"""
