"""The names of a report's files, for those who need not know how they are made."""

FILES = ("table.csv", "comparisons.csv", "index.html")  # in the order in which they are written
