"""The rule for verdicts against the textbook's test, and its four words."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from netdyn_utils.study import Answer, plus_minus, verdict

NUMBERS = st.floats(-100, 100).map(lambda x: round(x, 3))
YES = Answer("?", "yes", (1.0, 1.1, 1.2), bound=0.0)
NO = Answer("?", "no", (-1.0, -1.1, -1.2), bound=0.0)
OPEN = Answer("?", "open", (-1.0, 1.1, 0.2), bound=0.0)


@given(st.lists(NUMBERS, min_size=3, max_size=12, unique=True), NUMBERS)
def test_an_answer_is_decided_where_students_test_decides(values, bound):
    answer = Answer("?", "", tuple(values), bound)
    p = ttest_1samp(values, bound).pvalue
    if abs(p - 0.05) > 1e-9:
        assert (answer.word != "open") == (p < 0.05)
    if answer.word != "open":
        assert (answer.word == "yes") == (np.mean(values) > bound)


@given(st.lists(NUMBERS, min_size=3, max_size=9), NUMBERS)
def test_the_other_side_of_the_bound_is_the_other_word(values, bound):
    swapped = {"yes": "no", "no": "yes", "open": "open"}
    above = Answer("?", "", tuple(values), bound, "above")
    below = Answer("?", "", tuple(values), bound, "below")
    assert below.word == swapped[above.word]


def test_one_answer_in_twenty_is_wrong_when_there_is_nothing():
    rng = np.random.default_rng(0)
    for runs in (3, 5, 10):
        words = [
            Answer("?", "", tuple(row), 0.0).word
            for row in rng.normal(size=(4_000, runs))
        ]
        decided = np.mean([word != "open" for word in words])
        assert abs(decided - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 4_000)


def test_few_runs_and_runs_without_a_number_leave_it_open():
    assert Answer("?", "", (9.0, 9.1), 0.0).word == "open"
    assert Answer("?", "", (9.0, 9.1, np.nan), 0.0).word == "open"
    assert Answer("?", "", (9.0, 9.1, np.nan, 9.2), 0.0).word == "yes"
    assert Answer("?", "", (), 0.0).word == "open"
    assert "nan" in Answer("?", "", (), 0.0).told


@pytest.mark.parametrize("answers", [*itertools.product((YES, NO, OPEN), repeat=3)])
def test_the_four_words(answers):
    words = {answer.word for answer in answers}
    expected = {
        frozenset({"yes"}): "holds",
        frozenset({"no"}): "does not hold",
        frozenset({"open"}): "not decided",
        frozenset({"no", "open"}): "not decided",
    }.get(frozenset(words), "holds in part")
    assert verdict(answers) == expected


def test_a_verdict_needs_an_answer():
    with pytest.raises(ValueError, match="at least one"):
        verdict([])


def test_a_spread_has_two_digits_and_its_mean_as_many_places():
    assert plus_minus(0.12345, 0.0456) == "0.123 ± 0.046"
    assert plus_minus(12345.6, 456.0) == "12346 ± 456"


@given(st.lists(NUMBERS, min_size=3, max_size=9), st.floats(0.1, 50))
def test_within_is_below_the_bound_and_above_its_negative(values, bound):
    within = Answer("?", "", tuple(values), bound, "within").word
    below = Answer("?", "", tuple(values), bound, "below").word
    above = Answer("?", "", tuple(values), -bound, "above").word
    expected = {("yes", "yes"): "yes"}.get(
        (below, above), "no" if "no" in (below, above) else "open"
    )
    assert within == expected
