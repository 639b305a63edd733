"""What a notebook declares, what may be given for it, and what is refused."""

import itertools
import json

import pytest
from small_book import TINY, make_book

from netdyn_utils.declarations import (
    Parameter,
    ParameterError,
    declared,
    key_of,
    resolve,
)
from netdyn_utils.profiles import find_notebook, read_yaml


@pytest.fixture
def tiny(tmp_path):
    """The parameters of a tiny notebook."""
    root = make_book(tmp_path, **{"01_tiny": TINY})
    return declared(root / "notebooks" / "01_tiny.ipynb")


def declare(tmp_path, source, cell=()):
    path = tmp_path / "n.ipynb"
    tagged = {"cell_type": "code", "metadata": {"tags": ["parameters"]}}
    path.write_text(json.dumps({"cells": [{**tagged, "source": source, **dict(cell)}]}))
    return declared(path)


def test_a_declaration_is_name_type_default_help_and_domain(tiny):
    assert tiny[0] == Parameter("steps", "int", 3, "[1, inf)", "of nothing")
    assert tiny[2] == Parameter("word", "str", "a", "", "any")
    assert tiny[3] == Parameter("digits", "list[int]", [3, 8], "[0, 9]", "kept")
    assert tiny[5] == Parameter("mode", "str", "fast", "{fast, slow}", "")
    assert [p.kind for p in tiny[4:5]] == ["bool"]


def test_all_faults_are_told_at_once_with_the_nearest_name(tiny):
    given = {"stepz": 1, "steps": 0, "rate": "fast", "mode": "fats", "zzz": 1}
    with pytest.raises(ParameterError) as caught:
        resolve(tiny, given)
    assert caught.value.faults == [
        "unknown parameter 'stepz' (did you mean 'steps'?)",
        "steps must be in [1, inf), got 0",
        "rate must be a finite number, got 'fast'",
        "mode must be in {fast, slow}, got 'fats'",
        "unknown parameter 'zzz'",
    ]


@pytest.mark.parametrize(
    ("kind", "domain", "value", "meant"),
    [
        ("int", "", "1_000", 1000),
        ("int", "", " 7 ", 7),
        ("int", "[1, inf)", "+1", 1),
        ("float", "", "1e-3", 0.001),
        ("float", "", 1, 1.0),
        ("float", "(0, inf)", 5e-324, 5e-324),
        ("float", "(0, 1]", "1", 1.0),
        ("bool", "", "TRUE", True),
        ("bool", "", False, False),
        ("str", "", "true", "true"),
        ("str", "", "", ""),
        ("list[int]", "", "[1, 2]", [1, 2]),
        ("list[int]", "", "[]", []),
        ("list[float]", "(0, 1)", ["1e-3", 0.5], [0.001, 0.5]),
        ("list[str]", "", "[a, b]", ["a", "b"]),
        ("list[str]", "", '["a, b", "c"]', ["a, b", "c"]),
        ("list[str]", "", (), []),
    ],
)
def test_what_is_given_is_read_in_the_declared_type(kind, domain, value, meant):
    found = Parameter("x", kind, None, domain).read(value)
    assert found == meant
    assert repr(found) == repr(meant)  # 1 and True and 1.0 are equal


@pytest.mark.parametrize(
    ("kind", "domain", "value"),
    [
        ("int", "", True),
        ("int", "", 1.0),
        ("int", "", "1.0"),
        ("int", "", "0x10"),
        ("int", "", ""),
        ("int", "", "9" * 5000),  # more digits than Python reads
        pytest.param("int", "", 16**5000, id="int, huge"),  # or writes
        ("int", "", 2**63),  # more than an array or a seed holds
        ("int", "[1, inf)", 0),
        ("float", "", "nan"),
        ("float", "", float("inf")),
        pytest.param("float", "", 16**5000, id="float, huge"),
        ("float", "", True),
        ("float", "(0, inf)", 0),
        ("float", "(0, 1]", "1.0000000000000002"),
        ("bool", "", 1),
        ("bool", "", "yes"),
        ("str", "", None),
        ("str", "", 3),
        ("str", "", "a\0b"),
        ("str", "", "\udcff"),  # a byte of the shell that is no UTF-8
        ("list[int]", "", 3),
        ("list[int]", "", "1, 2"),
        ("list[int]", "", "[1,,2]"),
        ("list[int]", "[0, 9]", [3, 10]),
        ("list[float]", "", {"a": 1}),
        ("list[str]", "", [["a"]]),
    ],
)
def test_what_does_not_fit_is_refused_in_one_short_sentence(kind, domain, value):
    with pytest.raises(ValueError, match=r"^x must ") as caught:
        Parameter("x", kind, None, domain).read(value)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 200
    assert said.isprintable()


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("steps: int = 'a'", "steps must be a whole number"),
        ("steps: int = 0  # in [1, inf)", r"steps must be in \[1, inf\)"),
        ("steps: int = 1  # in [1, x)", r"steps: .*\[1, x\) is no interval"),
        ("steps: int = 1  # in [9, 1)", r"steps: .*\[9, 1\) is no interval"),
        ("steps: int = 1  # in (1, 2, 3)", r"steps: .*\(1, 2, 3\) is no interval"),
        ("steps: int = f()", "malformed"),
        ("steps: dict = {}", "type one of"),
        ("steps: int", "no declaration"),
        ("a = b = 1", "no declaration"),
        ("import os", "no declaration"),
        ("x: int = (\n1)", "takes one line"),
        ("x = 1\nx = 2", "x is declared twice"),
        ("x = ", "invalid syntax"),
        (f"x = {'-' * 200_000}1", "cell of parameters"),
    ],
)
def test_a_cell_that_declares_badly_is_refused(tmp_path, source, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        declare(tmp_path, source)
    assert "n.ipynb" in str(caught.value)


@pytest.mark.parametrize(
    "cell",
    [{"metadata": []}, {"metadata": {"tags": None}}, {"source": 3}, {"source": [1]}],
)
def test_a_cell_that_is_none_is_refused(tmp_path, cell):
    with pytest.raises(ValueError, match="is not a notebook"):
        declare(tmp_path, "x = 1", cell)


def test_equal_values_have_equal_keys_whatever_their_order():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 1.0})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("steps: 1\nsteps: 2\n", "given twice: steps"),
        ("{a: {b: 1, b: 2}}", "given twice: b"),
        ("1: a\n'1': b\n", "given twice: 1"),
        ("true: a\nTrue: b\n", "given twice: True"),
        ("[1, 2]", "must hold `name: value` lines"),
        ("steps: !!python/object/apply:os.system ['touch x']", "no YAML"),
        ("steps: !!int x", "no YAML"),
        ("steps: !!int ''", "no YAML"),
        ("steps: !!bool x", "no YAML"),
        ("steps: !!timestamp x", "no YAML"),
        ("!!map [a]", "no YAML"),
        ("steps: 010", "010 .*10 or 8"),
        ("steps: 1:30", "1:30 .*seconds"),
        ("a: *b", "no YAML"),
        ("\x00", "no YAML"),
        ("[" * 5000, "no YAML"),
    ],
)
def test_yaml_that_is_ambiguous_or_no_mapping_is_refused(tmp_path, text, sentence):
    (path := tmp_path / "p.yaml").write_text(text)
    with pytest.raises(ValueError, match=sentence) as caught:
        read_yaml(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "x").exists()


def test_yaml_that_unfolds_to_billions_is_refused_at_once(tmp_path):
    names = "abcdefghi"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{name}: &{name} [{', '.join(['*' + before] * 9)}]"
        for before, name in itertools.pairwise(names)
    ]
    (path := tmp_path / "p.yaml").write_text("\n".join(lines))
    found = read_yaml(path)
    with pytest.raises(ValueError, match="must be") as caught:
        Parameter("steps", "list[int]", []).read(found["i"])
    assert len(str(caught.value)) < 500
    path.write_text("\n".join(f"- {line.partition(': ')[2]}" for line in lines))
    with pytest.raises(ValueError, match="must hold") as caught:
        read_yaml(path)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "name", ["", "~nobody-of-this-name/x", "a" * 5000, "a\0.ipynb", "02_x", "."]
)
def test_a_notebook_that_is_not_there_is_a_sentence(tmp_path, name):
    root = make_book(tmp_path, **{"01_tiny": TINY})
    with pytest.raises(ValueError, match="unknown notebook") as caught:
        find_notebook(root, name)
    assert len(str(caught.value)) < 300


def test_a_name_that_two_notebooks_share_is_refused(tmp_path):
    root = make_book(tmp_path, **{"01_tiny": TINY, "02_tiny": TINY})
    with pytest.raises(ValueError, match="01_tiny and 02_tiny"):
        find_notebook(root, "tiny")
    assert find_notebook(root, "02_tiny").stem == "02_tiny"
    root = make_book(tmp_path / "empty")
    with pytest.raises(ValueError, match="no notebook"):
        find_notebook(root, "tiny")
