"""Processes of the product that need not import Django, pandas and the rest again.

A start of `manage.py` takes the processor for a second or two, nearly all of it for libraries that
are the same each time. `server.py` is one Python that has imported them, and nothing of ours; for each
start it forks a process that gets the arguments, environment and streams of its own and then runs
`manage.py`, a module or a piece of code as its main program, to the end that the interpreter gives it.
Signals, exit codes, children and the database are as with any process. `process.py` is what tests use.

What looks at its command line or at its first environment in /proc, or is about the interpreter's own
variables, is started as a person would: of each command at least one test does that (`cold=True`, or
`subprocess`).
"""
