"""Benchmarks: ratios measured side by side in one run, never a bare number of one machine.

`make bench` runs them all; they are no part of the test suite.
"""
