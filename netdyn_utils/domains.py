"""The values that make sense, as a declaration writes them: an interval or a set.

``[1, inf)``, ``(0, 1]``, ``{sample, full}``.
"""

import re

_DOMAIN = re.compile(r"(?:^|;)\s*in\s+([\[({].*[\])}])\s*$")
_INTERVAL = re.compile(r"([\[(])\s*([^,]+?)\s*,\s*([^,]+?)\s*([\])])")


def split(words: str) -> tuple[str, str]:
    """Return what words say before their domain, and the domain; empty if none.

    >>> split("training steps; in [1, inf)")
    ('training steps', '[1, inf)')
    """
    found = _DOMAIN.search(words)
    return (words[: found.start()], found[1]) if found else (words, "")


def check(domain: str, numbers: bool) -> None:
    """Refuse a domain that can hold nothing, or that `lies_in` cannot read.

    >>> check("[9, 1)", numbers=True)
    Traceback (most recent call last):
        ...
    ValueError: [9, 1) is no interval of numbers and no set {a, b}
    """
    interval = _INTERVAL.fullmatch(domain)
    try:
        if interval and numbers:
            sound = float(interval[2]) <= float(interval[3])
        else:
            members = _members(domain)
            sound = domain[0] + domain[-1] == "{}" and all(members)
            _ = numbers and [float(member) for member in members]
    except ValueError:
        sound = False
    if not sound:
        raise ValueError(f"{domain} is no interval of numbers and no set {{a, b}}")


def lies_in(value: float | str, domain: str) -> bool:
    """Say whether a number or a text is one of a domain's.

    >>> lies_in(1, "[1, inf)"), lies_in(0.5, "{0.1, 5e-1}"), lies_in("full", "{sample}")
    (True, True, False)
    """
    interval = _INTERVAL.fullmatch(domain)
    if interval is None or isinstance(value, str):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        members = _members(domain)
        return (
            value in map(float, members)
            if number
            else str(value) in [m.strip('"') for m in members]
        )
    opening, low, high, closing = interval.groups()
    above = value >= float(low) if opening == "[" else value > float(low)
    return above and (value <= float(high) if closing == "]" else value < float(high))


def _members(domain: str) -> list[str]:
    return [member.strip() for member in domain.strip("{}").split(",")]
