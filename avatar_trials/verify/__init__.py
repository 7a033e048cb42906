"""Room of qualification: the installed program held against references, itself, and what it must refuse."""
