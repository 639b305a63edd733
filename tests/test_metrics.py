"""What a notebook records is read back as it was, by programs and by people."""

import json
import math

import numpy as np
import pytest

from netdyn_utils.metrics import MIME, read_recorded, record


def test_numbers_and_words_are_kept_as_plain_json():
    given = {"a": np.float32(0.5), "b": np.int64(3), "c": np.array(2.0), "d": "word"}
    numbers = record(given, e=True, f=math.nan, g=-math.inf).numbers
    assert json.loads(json.dumps(numbers, allow_nan=False)) == {
        **{"a": 0.5, "b": 3, "c": 2.0, "d": "word"},
        **{"e": True, "f": None, "g": None},
    }
    assert [type(value) for value in numbers.values()][:3] == [float, int, float]


@pytest.mark.parametrize("value", [None, [1], {"a": 1}, 1j, object()])
def test_what_is_no_number_is_refused_by_name(value):
    with pytest.raises(TypeError, match="alpha is neither a number nor text"):
        record(alpha=value)


def test_an_array_of_many_is_refused_by_name():
    with pytest.raises(TypeError, match="alpha is neither a number nor text"):
        record(alpha=np.arange(3))


def test_what_cells_record_is_read_in_order_and_the_last_word_counts(tmp_path):
    bundles = [record(a=1, b=2)._repr_mimebundle_(), record(b=3)._repr_mimebundle_()]
    cells = [{"outputs": [{"data": {MIME: b[MIME]}}]} for b in bundles]
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({"cells": [{}, *cells, {"outputs": [{}]}]}))
    assert read_recorded(path) == {"a": 1, "b": 3}
    assert "| b | 2 |" in bundles[0]["text/markdown"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"cells": 1}', '{"cells": [1]}']
)
def test_what_is_no_notebook_is_named(tmp_path, text):
    (path := tmp_path / "n.ipynb").write_text(text)
    with pytest.raises(ValueError, match=r"n\.ipynb is not a notebook"):
        read_recorded(path)
