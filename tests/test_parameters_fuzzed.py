"""Ten thousand readers who give anything: values that fit, or a sentence."""

import argparse
import contextlib
import io
import math
import re
from decimal import Decimal, InvalidOperation
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_book import TINY, make_book, told

from netdyn_utils import rerun
from netdyn_utils.__main__ import main
from netdyn_utils.commands.run import given as gather
from netdyn_utils.declarations import Parameter, ParameterError, declared, resolve
from netdyn_utils.profiles import read_yaml
from netdyn_utils.sweeps import read_sweep

NUMBERS_SPELLED = r"""1 -1 0 +2 1.0 1e-3 1E5 .5 1_0 1__0 _1 nan inf -inf 1e400 5e-324
0x10 010 1:30 true
True FALSE yes no null ~ None [] [1] [1,2] [0.5,x] [a,b] [[1]] {} ٣ ½ 1,5
9223372036854775807 9223372036854775808 -9223372036854775809"""
NEAR = r"""steps rate word digits flag mode step Rate mod"""
YAML_PIECES = r"""a b 1 : - [ ] { } , & * ! !! # ' " | > % @ ` ~ ? << : ! !!int !!map
!!set !!binary
!!float !!timestamp !!python/name:os.system é 2001-12-14 0x 0b_ 1:60 010 &a *a ---
... .inf"""
INSIDE = {
    "": lambda _: True,
    "[1, inf)": lambda x: x >= 1,
    "(0, 1]": lambda x: 0 < x <= 1,
    "{1, 2}": lambda x: x in (1, 2),
}
PARAMETERS = [
    *(Parameter("x", kind, None, d) for kind in ("int", "float") for d in INSIDE),
    *(Parameter("x", f"list[{kind}]", None, "(0, 1]") for kind in ("int", "float")),
    *(Parameter("x", kind, None) for kind in ("bool", "str", "list[str]")),
]
SPELLED = st.sampled_from(NUMBERS_SPELLED.split())
NUMBERS = st.one_of(st.integers(-3, 3), st.integers(), st.floats(), st.booleans())
WORDS = st.one_of(SPELLED, NUMBERS.map(str), st.text(max_size=8))
SCALARS = st.one_of(NUMBERS, WORDS, st.none(), st.dates(), st.binary(max_size=4))
VALUES = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=3),
    st.lists(WORDS, max_size=3).map(lambda words: f"[{', '.join(words)}]"),
    st.dictionaries(WORDS, SCALARS, max_size=2),
    st.lists(st.lists(SCALARS, max_size=2), max_size=2),
)
NAMES = st.one_of(
    st.sampled_from(NEAR.split()),
    WORDS,
)


def cases(number):
    """Let a test run on so many cases, the same ones each time."""
    return settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A book of one tiny notebook."""
    return make_book(tmp_path_factory.mktemp("book"), **{"01_tiny": TINY})


@pytest.fixture(scope="module")
def tiny(root):
    """The parameters of the tiny notebook."""
    return declared(root / "notebooks" / "01_tiny.ipynb")


def number(value, kind):
    """Return the number that a value means, exactly; None if it means none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        exact = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        return None
    if isinstance(value, str) and re.search(r"_(_|\D|$)|(^|\D)_", value.strip()):
        return None  # Decimal is generous with underscores, Python is not
    whole = isinstance(value, int) or (isinstance(value, str) and "." not in value)
    if kind == "int":
        whole = whole and "e" not in str(value).lower() and exact.is_finite()
        return int(exact) if whole and -(2**63) <= exact < 2**63 else None
    rounded = float(exact)
    return rounded if math.isfinite(rounded) else None


def meant(value, parameter):
    """Return what a single value means for a parameter, or None."""
    kind = re.sub(r"list\[(.*)\]", r"\1", parameter.kind)
    if kind == "str":
        good = isinstance(value, str) and "\0" not in value
        return value if good else None
    if kind == "bool":
        words = {"true": True, "false": False}
        spelled = words.get(value.strip().lower()) if isinstance(value, str) else None
        return value if isinstance(value, bool) else spelled
    found = number(value, kind)
    return found if found is not None and INSIDE[parameter.domain](found) else None


def sentence(error):
    """Check that a refusal is one short line that says what is wrong."""
    said = str(error)
    assert said == " ".join(said.split("\n"))
    assert 10 < len(said) < 400
    assert said.isprintable()
    return said


@cases(5000)
@given(st.sampled_from(PARAMETERS), VALUES)
def test_a_value_is_read_as_it_is_meant_or_refused(parameter, value):
    try:
        found = parameter.read(value)
    except ValueError as error:
        refused = sentence(error)
    else:
        refused = ""
    if refused:
        assert refused.startswith("x must ")
        if not parameter.kind.startswith("list"):
            assert meant(value, parameter) is None
        return
    if not parameter.kind.startswith("list"):
        assert repr(found) == repr(meant(value, parameter))
        return
    assert isinstance(found, list)
    one = Parameter("x", parameter.kind[5:-1], None, parameter.domain)
    assert [repr(one.read(item)) for item in found] == list(map(repr, found))
    if isinstance(value, list):
        assert [repr(meant(v, one)) for v in value] == list(map(repr, found))


@cases(1500)
@given(st.dictionaries(NAMES, VALUES, max_size=6))
def test_all_that_is_given_fits_or_every_fault_is_told(tiny, words):
    known = {parameter.name: parameter for parameter in tiny}
    try:
        found = resolve(tiny, words)
    except ParameterError as error:
        for fault in error.faults:
            sentence(fault)
        strange = [name for name in words if name not in known]
        unknown = [f for f in error.faults if f.startswith("unknown parameter ")]
        assert len(unknown) == len(strange)
        wrong = len(error.faults) - len(unknown)
        assert wrong == sum(not fits(known[n], words[n]) for n in words if n in known)
        return
    assert list(found) == list(known)
    for name, parameter in known.items():
        as_given = parameter.read(words[name]) if name in words else parameter.default
        assert repr(found[name]) == repr(as_given)


def fits(parameter, value):
    """Say whether a value alone is taken."""
    with contextlib.suppress(ValueError):
        parameter.read(value)
        return True
    return False


YAMLS = st.one_of(
    st.lists(
        st.sampled_from([*YAML_PIECES.split(), "\n", "\n", "\t", "\x85"]),
        max_size=12,
    ).map(" ".join),
    st.text(max_size=20),
)


@cases(2000)
@given(YAMLS)
def test_any_text_is_a_mapping_or_no_yaml(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "fuzzed.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert all(isinstance(name, str) for name in read_yaml(path))
    except ValueError as error:
        refused = str(error)
    else:
        return
    assert "fuzzed.yaml" in refused
    assert "\n" not in refused


@cases(300)
@given(st.dictionaries(st.text("abc", min_size=1), VALUES, max_size=3))
def test_a_mapping_that_was_written_is_read_as_it_was(tmp_path_factory, words):
    path = tmp_path_factory.getbasetemp() / "written.yaml"
    path.write_text(yaml.safe_dump(words, sort_keys=False), "utf-8")
    try:
        assert repr(read_yaml(path)) == repr(words)
    except ValueError as error:
        sentence(str(error).replace(str(path), ""))


PLANS = st.fixed_dictionaries(
    {"notebook": st.sampled_from(["tiny", "01_tiny", "tinny", 1, None, ["tiny"]])},
    optional={
        "grid": st.dictionaries(NAMES, VALUES, max_size=3) | VALUES,
        "list": st.lists(st.dictionaries(NAMES, VALUES, max_size=2), max_size=3),
        "parameters": st.dictionaries(NAMES, VALUES, max_size=2) | VALUES,
        "profile": st.sampled_from(["quick", "quik", 3]),
        "show": VALUES,
        "over": VALUES | st.lists(NAMES, max_size=3),
        "gird": VALUES,
    },
)


@cases(1000)
@given(PLANS)
def test_a_plan_is_a_sweep_whose_runs_fit_or_it_is_refused(root, tiny, plan):
    path = root / "fuzzed.yaml"
    path.write_text(yaml.safe_dump(plan), "utf-8")
    try:
        sweep = read_sweep(root, path)
    except ValueError as error:
        for line in str(error).replace(str(path), "").splitlines():
            sentence(line)
        return
    assert "gird" not in plan
    assert len(set(sweep.keys)) == len(sweep.runs) > 0
    for run in sweep.runs:
        assert {name: resolve(tiny, run)[name] for name in run} == run
    assert set(sweep.over) <= set(sweep.varied)


class Started(Exception):
    """A kernel would start now."""


WORD = st.one_of(
    st.tuples(NAMES, WORDS).map("=".join), st.tuples(NAMES, WORDS).map("=".join), WORDS
)


@cases(1000)
@given(st.lists(WORD, max_size=4), st.none() | st.dictionaries(NAMES, VALUES))
def test_a_kernel_starts_with_what_was_given_or_not_at_all(root, tiny, words, file):
    argv = ["run", "tiny", "--out", str(root / "never")]
    argv += [f"--parameter={word}" for word in words]
    path = root / "given.yaml"
    path.write_text(yaml.safe_dump(file), "utf-8")
    argv += ["-f", str(path)] if file is not None else []

    def begin(jobs, **_):
        raise Started(jobs[0].parameters)

    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.setattr(rerun, "run_all", begin)
        patch.chdir(root)
        try:
            assert main(argv) == 2
        except Started as started:
            (values,) = started.args
        else:
            assert all(map(str.isprintable, told(said.getvalue()).splitlines()))
            assert said.getvalue().startswith("error: ")
            return
    arguments = argparse.Namespace(
        profile=None, file=[path] if file is not None else [], parameter=words
    )
    asked, faults = gather(Path(root), "01_tiny", arguments)
    assert faults == []
    assert (
        set(values) == set(asked) == {*(file or ()), *(w.split("=")[0] for w in words)}
    )
    assert values == {name: resolve(tiny, asked)[name] for name in asked}
