"""Numbers of the environment."""


def whole_number(name: str, text: str, low: int, high: int) -> int:
    """`text` as a number from `low` to `high`. Raises ValueError, whose sentence names the variable."""
    if text.isascii() and text.isdecimal() and low <= int(text[:10]) <= high:
        return int(text)
    raise ValueError(f"{name} is {text!r}; it must be a whole number from {low} to {high}.")
