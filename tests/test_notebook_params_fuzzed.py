"""Readers who give anything: a value that fits, or a sentence."""

import math
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from netdyn_utils.notebook_params import Parameter

SPELLED = """1 -1 +2 1.0 1e-3 .5 1_0 1__0 nan -inf 1e400 0x10 010 1:30 true FALSE yes
no ~ [] [1] [1,2] [a,b] [[1]] {} ٣ ½ 1,5 9223372036854775808 -9223372036854775809"""
TYPES = {"int": int, "float": float, "bool": bool, "str": str}
INSIDE = {
    "": lambda _: True,
    "[1, inf)": lambda x: x >= 1,
    "(0, 1]": lambda x: 0 < x <= 1,
}
ONE = [("str", ""), ("bool", ""), *((k, r) for k in ("int", "float") for r in INSIDE)]
EACH = [*ONE, *((f"list[{kind}]", r) for kind, r in ONE if kind != "bool")]
WORDS = st.one_of(st.sampled_from(SPELLED.split()), st.text(max_size=8))
SCALARS = st.one_of(
    *(WORDS, st.integers(), st.floats(), st.booleans(), st.none(), st.dates()),
    *(st.binary(max_size=4), st.integers(-3, 3), st.just(16**5000)),
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(WORDS, WORDS)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.sampled_from(EACH), VALUES)
def test_a_value_has_its_type_and_range_or_is_refused(declared, value):
    kind, interval = declared
    parameter = Parameter("x", kind, None, interval)
    try:
        found = parameter.parse(value)
    except ValueError as error:
        message = str(error)
        assert message.startswith("x must be ")
        assert message.isprintable()
        assert len(message) < 300
        return
    assert repr(parameter.parse(found)) == repr(found)
    for item in found if kind.startswith("list") else [found]:
        assert type(item) is TYPES[kind.removeprefix("list[").removesuffix("]")]
        assert isinstance(item, str) or (math.isfinite(item) and INSIDE[interval](item))
    if kind in ("int", "float"):
        assert TYPES[kind](Decimal(value)) == found  # a second reader of numbers
