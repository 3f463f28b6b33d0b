"""Data that a user has on disk: one file here for each kind of file there.

Read `opening` (what may be opened at all), `columns` (a table as named columns) and `source` (where one
comes from) first; `tokenised` and `pair` are what several kinds share. Paths are taken from the folder
in which the program was started, like every path on its command line. Nothing here runs code that a file
holds.
"""
