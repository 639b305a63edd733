"""What a notebook logs is read back as it was, by programs and by people."""

import json
import math

import numpy as np
import pytest

from netdyn_utils.metrics import MIME, log_metrics, read_metrics


def test_numbers_and_text_are_kept_as_plain_json():
    given = {"a": np.float32(0.5), "b": np.int64(3), "c": np.array(2.0), "d": "word"}
    numbers = log_metrics(given, e=True, f=math.nan, g=-math.inf).numbers
    expected = {
        "a": 0.5,
        "b": 3,
        "c": 2.0,
        "d": "word",
        "e": True,
        "f": None,
        "g": None,
    }
    assert json.loads(json.dumps(numbers, allow_nan=False)) == expected
    assert [type(value) for value in numbers.values()][:3] == [float, int, float]


@pytest.mark.parametrize("value", [None, [1], 1j, np.arange(3)])
def test_what_is_no_number_is_refused_by_name(value):
    with pytest.raises(TypeError, match="alpha is neither a number nor text"):
        log_metrics(alpha=value)


def test_what_cells_log_is_read_in_order_and_the_last_value_counts(tmp_path):
    logged = [log_metrics(a=1, b=2), log_metrics(b=3)]
    bundles = [metrics._repr_mimebundle_() for metrics in logged]
    cells = [{"outputs": [{"data": {MIME: b[MIME]}}]} for b in bundles]
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({"cells": [{}, *cells, {"outputs": [{}]}]}))
    assert read_metrics(path) == {"a": 1, "b": 3}
    assert "| b | 2 |" in bundles[0]["text/markdown"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": [1]}'])
def test_what_is_no_notebook_is_named(tmp_path, text):
    (path := tmp_path / "n.ipynb").write_text(text)
    with pytest.raises(ValueError, match=r"n\.ipynb is not a notebook"):
        read_metrics(path)
