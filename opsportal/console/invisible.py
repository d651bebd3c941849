"""Characters that leave no mark of their own, by Unicode's properties, but where they are a part of an emoji."""

import re

# The version of Unicode that the ranges are of; tests compare them with Python's and another library's.
UNICODE = "17.0"

# Controls (Cc) but tab and newline; all that a font may leave out (Default_Ignorable_Code_Point) and formats (Cf);
# blanks other than the space (Z), line and paragraph separators among them; halves of a character (Cs).
_BY_PROPERTY = (
    "0-8 B-1F 7F-A0 AD 34F 600-605 61C 6DD 70F 890-891 8E2 115F-1160 1680 17B4-17B5 180B-180F 2000-200F "
    "2028-202F 205F-206F 3000 3164 D800-DFFF FE00-FE0F FEFF FFA0 FFF0-FFFB 110BD 110CD 13430-1343F 1BCA0-1BCA3 "
    "1D173-1D17A E0000-E0FFF "
)
# Blank by their shape: the object replacement, braille without a dot, the fillers of Khitan, the null notehead, the
# blanks of hieroglyphs.
_BY_SHAPE = "FFFC 2800 16FE4 1D159 13441-13442"
_PICTOGRAPHS = (  # Extended_Pictographic
    "A9 AE 203C 2049 2122 2139 2194-2199 21A9-21AA 231A-231B 2328 23CF 23E9-23F3 23F8-23FA 24C2 25AA-25AB 25B6 "
    "25C0 25FB-25FE 2600-2604 260E 2611 2614-2615 2618 261D 2620 2622-2623 2626 262A 262E-262F 2638-263A 2640 "
    "2642 2648-2653 265F-2660 2663 2665-2666 2668 267B 267E-267F 2692-2697 2699 269B-269C 26A0-26A1 26A7 "
    "26AA-26AB 26B0-26B1 26BD-26BE 26C4-26C5 26C8 26CE-26CF 26D1 26D3-26D4 26E9-26EA 26F0-26F5 26F7-26FA 26FD "
    "2702 2705 2708-270D 270F 2712 2714 2716 271D 2721 2728 2733-2734 2744 2747 274C 274E 2753-2755 2757 "
    "2763-2764 2795-2797 27A1 27B0 27BF 2934-2935 2B05-2B07 2B1B-2B1C 2B50 2B55 3030 303D 3297 3299 1F004 "
    "1F02C-1F02F 1F094-1F09F 1F0AF-1F0B0 1F0C0 1F0CF-1F0D0 1F0F6-1F0FF 1F170-1F171 1F17E-1F17F 1F18E "
    "1F191-1F19A 1F1AE-1F1E5 1F201-1F20F 1F21A 1F22F 1F232-1F23A 1F23C-1F23F 1F249-1F25F 1F266-1F321 "
    "1F324-1F393 1F396-1F397 1F399-1F39B 1F39E-1F3F0 1F3F3-1F3F5 1F3F7-1F3FA 1F400-1F4FD 1F4FF-1F53D "
    "1F549-1F54E 1F550-1F567 1F56F-1F570 1F573-1F57A 1F587 1F58A-1F58D 1F590 1F595-1F596 1F5A4-1F5A5 1F5A8 "
    "1F5B1-1F5B2 1F5BC 1F5C2-1F5C4 1F5D1-1F5D3 1F5DC-1F5DE 1F5E1 1F5E3 1F5E8 1F5EF 1F5F3 1F5FA-1F64F "
    "1F680-1F6C5 1F6CB-1F6D2 1F6D5-1F6E5 1F6E9 1F6EB-1F6F0 1F6F3-1F6FF 1F7DA-1F7FF 1F80C-1F80F 1F848-1F84F "
    "1F85A-1F85F 1F888-1F88F 1F8AE-1F8AF 1F8BC-1F8BF 1F8C2-1F8CF 1F8D9-1F8FF 1F90C-1F93A 1F93C-1F945 "
    "1F947-1F9FF 1FA58-1FA5F 1FA6E-1FAFF 1FC00-1FFFD "
)


def _characters(ranges: str) -> str:
    """The inside of a character class."""
    bounds = (one.split("-") for one in ranges.split())
    return "".join("-".join(f"\\U{int(bound, 16):08x}" for bound in pair) for pair in bounds)


INVISIBLE = _characters(f"{_BY_PROPERTY} {_BY_SHAPE}")

# A picture may have a form (a variation selector), and be joined with others; so may the keys of a telephone have one.
# The three flags that are spelled by tags are those that emoji have: other tags would be text that nobody sees.
_PICTURE = f"[{_characters(_PICTOGRAPHS)}][\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]?"
_FLAGS = ("gbeng", "gbsct", "gbwls")
_TAGS = "|".join("".join(chr(0xE0000 + ord(letter)) for letter in flag) for flag in _FLAGS)
_EMOJI = f"\U0001f3f4(?:{_TAGS})\U000e007f|{_PICTURE}(?:\u200d{_PICTURE})*|[0-9#*]\ufe0f\u20e3"
_EMOJI_OR_INVISIBLE = re.compile(f"{_EMOJI}|([{INVISIBLE}])")
_ANY = re.compile(f"[{INVISIBLE}]")


def sign(character: str) -> str:
    """The code point rather than a control picture: few fonts have those."""
    return f"\u27e6U+{ord(character):04X}\u27e7"


def signed(text: str) -> str:
    """The text with a sign for each invisible character."""
    if (text.isascii() and text.isprintable()) or not _ANY.search(text):
        return text
    return _EMOJI_OR_INVISIBLE.sub(lambda found: sign(found[1]) if found[1] else found[0], text)


def without_invisible(text: str) -> str:
    """The text without what `signed` gives a sign."""
    return _EMOJI_OR_INVISIBLE.sub(lambda found: "" if found[1] else found[0], text)


def has_invisible(text: str) -> bool:
    """Whether `signed` would change it."""
    return signed(text) != text
