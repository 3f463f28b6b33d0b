"""Data that a user has on disk: one file here for each kind of file there.

Read `opening` (what may be opened at all) and `columns` (a table as named columns) first. Paths are
taken from the folder in which the program was started, like every path on its command line. Nothing
here runs code that a file holds.
"""
