"""Where a table comes from: a file by its ending, or a frame of pandas."""

from __future__ import annotations

import os
from typing import Any

from funcdl.data.files.columns import KINDS, Columns
from funcdl.data.files.delimited import read_text
from funcdl.data.files.frame import of_frame, of_parquet
from funcdl.data.files.opening import stamp
from funcdl.errors import DataError


def read_columns(source: Any, *, raw: bool = False) -> Columns:
    """Reads a table.

    Args:
      source: path of a file that ends in .csv, .tsv or .parquet; or, from Python, a frame of pandas.
      raw: leave the fields of a text file as they are, be they numbers or words such as "none".

    Raises:
      DataError: for another kind of file, and for one that is damaged: with its line.
    """
    if not isinstance(source, str | os.PathLike):
        return of_frame(source)
    file = stamp(source, KINDS)
    ending = os.path.splitext(file.path)[1].lower()
    readers = {".csv": ",", ".tsv": "\t", ".parquet": None}
    if ending not in readers:
        raise DataError(f"{source} ends in {ending or 'nothing'}; allowed are {', '.join(readers)}")
    if ending == ".parquet":
        return of_parquet(file)._replace(name=str(source))
    found = read_text(file, readers[ending] or ",", raw=raw)
    return found._replace(name=str(source))
