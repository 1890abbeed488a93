"""Inputs as people bring them, each read right or refused well; `python -m tests.field` prints the table.

One file holds the cases of one kind of input as a list `CASES`; any file here that has one is found, so a new kind
needs no second list to edit. See `cases.py` for what a case says.
"""
