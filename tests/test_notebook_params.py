"""What a notebook declares, what may be given for it, and what is refused."""

import json
import subprocess
import sys

import pytest
from small_book import TINY, environment, make_book

from netdyn_utils import notebook_params as params
from netdyn_utils.notebook_params import Parameter, read_parameters, validate

ACCEPTED = {
    "int in [1, inf)": {"10_000": 10_000},
    "float": {"1e-3": 0.001},
    "float in (0, 1]": {1: 1.0},
    "bool": {"TRUE": True, False: False},
    "str": {"1": "1"},
    "str in {a, b}": {"a": "a"},
    "list[int]": {"[1]": [1]},
    "list[float]": {"[1e-3, 2.5]": [0.001, 2.5]},
    "list[str]": {"[a]": ["a"]},
}
REFUSED = {
    "int": [True, 1.0, "0x10", "1:30", 2**63, None, "9" * 5000],
    "float": ["nan", True, "1,5"],
    "bool": [1, 0, "1", "yes"],
    "str": [3, "\udcff", None],
    "list[int]": ["1, 2", ["1"], {"a": 1}, 3],
    "int in [1, inf)": [0],
    "float in (0, inf)": [0],
    "str in {a, b}": ["c"],
    "list[int] in [0, 9]": [[10]],
    "list[str]": ["[1]"],
}
BAD_LINES = [
    *("x: int = 'a'", "x: int = 0  # in [1, inf)", "x: int = 1  # in [1, x)", "x: int"),
    *("x: dict = {}", "a = b = 1", "import os", "x: int = (\n1)", "x: int = f()"),
    *("x: str = 'a'  # in [1, 2]", "x: bool = True  # in [0, 1]", "x = " + "-" * 10**5),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A book of one tiny notebook."""
    return make_book(tmp_path_factory.mktemp("book"), **{"01_tiny": TINY})


def notebook(tmp_path, *sources):
    cell = {"cell_type": "code", "metadata": {"tags": ["parameters"]}}
    cells = {"cells": [cell | {"source": source} for source in sources]}
    (path := tmp_path / "n.ipynb").write_text(json.dumps(cells))
    return path


def test_a_declaration_has_name_type_default_range_and_help(root):
    found = read_parameters(root / "notebooks" / "01_tiny.ipynb")
    assert found[0] == Parameter("steps", "int", 3, "[1, inf)", "of nothing")
    assert found[2] == Parameter("word", "str", "a", "", "any")
    assert found[3] == Parameter("digits", "list[int]", [3, 8], "[0, 9]", "kept")
    row = params.format_table(found).splitlines()[1]
    assert row == "steps   int        3        [1, inf)      of nothing"


def test_all_errors_are_reported_at_once_with_the_nearest_name(root):
    wrong = {"stepz": 1, "steps": 0, "mode": "fats", "flag": 1}
    with pytest.raises(params.ParameterError) as caught:
        validate(read_parameters(root / "notebooks" / "01_tiny.ipynb"), wrong)
    stepz, *others = caught.value.errors
    assert stepz.endswith("(did you mean 'steps'?)")
    assert others == [
        "steps must be a whole number in [1, inf), got 0",
        "mode must be text in {fast, slow}, got 'fats'",
        "flag must be true or false, got 1",
    ]


def parameter(declared):
    kind, _, interval = declared.partition(" in ")
    return Parameter("x", kind, None, interval)


@pytest.mark.parametrize("declared", ACCEPTED)
def test_a_value_is_read_in_the_declared_type(declared):
    for value, meant in ACCEPTED[declared].items():  # 1 and True and 1.0 are equal
        assert repr(parameter(declared).parse(value)) == repr(meant)


@pytest.mark.parametrize("declared", REFUSED)
def test_a_value_that_does_not_fit_is_refused_in_one_short_sentence(declared):
    for value in REFUSED[declared]:
        with pytest.raises(ValueError, match=r"^x must be [^\n]{,160}$"):
            parameter(declared).parse(value)


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_cell_that_declares_badly_is_refused(tmp_path, line):
    with pytest.raises(ValueError, match=r"n\.ipynb, cell of parameters: "):
        read_parameters(notebook(tmp_path, line))


def test_a_second_cell_of_parameters_is_refused(tmp_path):
    with pytest.raises(ValueError, match="2 cells tagged `parameters`"):
        read_parameters(notebook(tmp_path, "x: int = 1", "y: int = 2"))


def test_a_run_notebook_keeps_the_values_of_its_run(root, tmp_path):
    once, again = tmp_path / "once.ipynb", tmp_path / "again.ipynb"
    papermill(root / "notebooks" / "01_tiny.ipynb", once, {"steps": 5})
    assert validate(read_parameters(once), {})["steps"] == 5
    papermill(once, again, validate(read_parameters(once), {"rate": 0.5}))
    assert '"square": 25' in again.read_text()
    assert '"rate": 0.5' in again.read_text()


def papermill(source, output, values):
    command = [sys.executable, "-m", "papermill", source, output]
    given = ["-y", json.dumps(values)]
    subprocess.run([*command, *given], env=environment(), check=True)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("steps: 1\nsteps: 2\n", r'line 2, is not valid YAML: .*duplicate key "steps"'),
        ("1: a", "must hold `name: value` lines"),
        ("x: !!python/object/apply:os.system ['touch x']", "line 1, is not valid"),
        *[(bad, "is not valid YAML") for bad in ("a: !!int x", "a: *b", "\x00")],
    ],
)
def test_ambiguous_yaml_is_refused(tmp_path, text, sentence):
    (path := tmp_path / "p.yaml").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        params.read_yaml(path)
    assert not (tmp_path / "x").exists()


def test_the_hash_ignores_order_and_last_digits():
    assert params.parameters_hash({"steps": 3}) == "6f35973e"
    one, two = {"a": 1, "b": 0.3}, {"b": 0.1 + 0.2, "a": 1}
    assert params.parameters_hash(one) == params.parameters_hash(two)
    assert params.parameters_hash({"a": 1}) != params.parameters_hash({"a": 1.0})


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        *[(n, "unknown notebook .{,200}'tiny'") for n in ("", "~nobody/x", "02_x")],
        *[
            (f"{n}.ipynb", "there is no file ")
            for n in ("/tmp/none", "a\0", "a" * 5000)
        ],
        ("topic", "'topic' can be 08_topic or 09_topic: give the whole name"),
    ],
)
def test_an_unknown_or_ambiguous_notebook_is_refused(root, name, sentence):
    for number in (8, 9):
        (root / "notebooks" / f"0{number}_topic.ipynb").touch()
    with pytest.raises(ValueError, match=sentence):
        params.find_notebook(root, name)
    assert params.find_notebook(root, "tiny").stem == "01_tiny"
    assert params.find_notebook(root, "08_topic").stem == "08_topic"
