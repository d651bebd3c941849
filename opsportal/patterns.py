"""What text may be, as patterns: those that the API's description shows are those that values are checked by.

They mean the same in Python and in ECMAScript, by which JSON Schema goes: without shorthands such as ``\\s``, whose
characters differ, and without anything that looks around. Check with `whole`, since ``$`` is true before a line
break too in Python.
"""

import re

CONTROLS = "\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029"
BLANKS = " \\u00a0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000"

# One line that says something.
LINE = f"^[^{CONTROLS}]*[^{CONTROLS}{BLANKS}][^{CONTROLS}]*$"
# What registries hold in one line, which may be empty, and in several.
SIMPLE = "^[^\\u0000-\\u0008\\u000a-\\u001f]*$"
SIMPLE_LINES = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f]*$"

# A share as text, which keeps its digits where a program's numbers would not.
SHARE = "^(?:0(?:\\.[0-9]{1,6})?|1(?:\\.0{1,6})?)$"

_HEX = "[0-9A-Fa-f]{1,4}"
# RFC 4291, 2.2, but for an IPv4 address within.
_IPV6 = "|".join(
    (
        f"(?:{_HEX}:){{7}}{_HEX}",
        f"(?:{_HEX}:){{1,7}}:",
        *(f"(?:{_HEX}:){{1,{7 - after}}}(?::{_HEX}){{1,{after}}}" for after in range(1, 7)),
        f":(?::{_HEX}){{1,7}}",
        "::",
    )
)
# Letters of names beyond ASCII, none of which stands for one of the signs that part an address (NFKC).
_HOST = f"(?:[A-Za-z0-9._\\u00c0-\\u167f\\u1681-\\u1fff\\u3021-\\ud7ff-]+|\\[(?:{_IPV6})\\])"
_PORT = "(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3})"
_REST = f"(?:[/?#][^{CONTROLS}{BLANKS}\\\\]*)?"
_SCHEME = "[Hh][Tt][Tt][Pp][Ss]?://"

# http or https, with a host; blanks around it do no harm.
ADDRESS = f'^ *{_SCHEME}(?:[!"$-.0->A-Z^-~]*@)?{_HOST}(?::{_PORT})?{_REST} *$'
# The same without user and password.
OPEN_ADDRESS = f"^ *{_SCHEME}{_HOST}(?::{_PORT})?{_REST} *$"

_compiled = {
    pattern: re.compile(pattern) for pattern in (LINE, SHARE, SIMPLE, SIMPLE_LINES, ADDRESS, OPEN_ADDRESS)
}


def whole(pattern: str, value: str) -> bool:
    """Whether all of the text is as that pattern of this module says."""
    return _compiled[pattern].fullmatch(value) is not None
