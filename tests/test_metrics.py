"""What a notebook logs is read back as it was, by programs and by people."""

import json
import math

import numpy as np
import pytest

from netdyn_utils.metrics import MIME, log_metrics, read_metrics


def test_metrics_are_stored_as_json_and_the_last_value_counts(tmp_path):
    given = {"a": np.float32(0.5), "b": np.int64(3), "c": np.array(2.0), "d": "word"}
    logged = log_metrics(given, e=True, f=math.nan), log_metrics(b=4, f=-math.inf)
    bundles = [metrics._repr_mimebundle_() for metrics in logged]
    outputs = [{}, *({"data": {MIME: bundle[MIME]}} for bundle in bundles)]
    cells = [
        {"cell_type": "code", "source": "", "outputs": [output]} for output in outputs
    ]
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "markdown"}, *cells]}))
    expected = {"a": 0.5, "b": 4, "c": 2.0, "d": "word", "e": True, "f": None}
    assert read_metrics(path) == expected
    assert "| b | 3 |" in bundles[0]["text/markdown"]


@pytest.mark.parametrize("value", [None, [1], 1j, np.arange(3)])
def test_a_value_that_is_no_number_is_refused_by_name(value):
    with pytest.raises(TypeError, match="alpha is neither a number nor text"):
        log_metrics(alpha=value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"cells": [1]}'])
def test_a_file_that_is_no_notebook_is_named(tmp_path, text):
    (path := tmp_path / "n.ipynb").write_text(text)
    with pytest.raises(ValueError, match=r"n\.ipynb is not a notebook: it has no"):
        read_metrics(path)
    with pytest.raises(ValueError, match=r"absent cannot be read: No such file"):
        read_metrics(tmp_path / "absent")
