"""Passwords that one format or another takes for something else."""

AWKWARD = (
    'per%cent @ "quotes" \\ $HOME',
    "%41",
    "100%",
    "$x",
    "${HOME}",
    "a#b #c",
    "'single'",
    '"double"',
    '""',
    "`id`",
    " blank before",
    "blank behind ",
    "@:/?&=",
    "[x]",
    "~root",
    "ümlaut, 漢字, 🔑",
    "back\\slash\\",
    "; ini = 1",
    "p|w*(x)",
    "y" * 99 + "%",
    "plain-Password_1",
)
# Values that the readers of `.env` would take differently.
READ_DIFFERENTLY = ("a b", 'a"b', "a'b", "a$b", "a#b", "a\nb", "a\\b", "ä", "a~b", "a`b")
# Those that are the same in every format.
LITERAL = ("plain-Password_1", "with.dots", "y" * 100, "0123", "a+b/c=d:e,f")
