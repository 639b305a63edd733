"""The rule for verdicts against the textbook's test, and its four verdicts."""

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
INCONCLUSIVE = Answer("?", "inconclusive", (-1.0, 1.1, 0.2), bound=0.0)


def decide(*values, bound=0.0, alternative="above"):
    return Answer("?", "", values, bound, alternative).decision


@given(st.lists(NUMBERS, min_size=3, max_size=12, unique=True), NUMBERS)
def test_an_answer_is_decided_where_students_test_decides(values, bound):
    decision = decide(*values, bound=bound)
    p = ttest_1samp(values, bound).pvalue
    if abs(p - 0.05) > 1e-9:
        assert (decision != "inconclusive") == (p < 0.05)
    if decision != "inconclusive":
        assert (decision == "yes") == (np.mean(values) > bound)


@given(st.lists(NUMBERS, min_size=3, max_size=9), NUMBERS)
def test_the_other_side_of_the_bound_is_the_other_decision(values, bound):
    swapped = {"yes": "no", "no": "yes", "inconclusive": "inconclusive"}
    above = decide(*values, bound=bound)
    assert decide(*values, bound=bound, alternative="below") == swapped[above]


@given(st.lists(NUMBERS, min_size=3, max_size=9), st.floats(0.1, 50))
def test_within_is_below_the_bound_and_above_its_negative(values, bound):
    within = decide(*values, bound=bound, alternative="within")
    below = decide(*values, bound=bound, alternative="below")
    both = {below, decide(*values, bound=-bound)}
    expected = "no" if "no" in both else "yes" if both == {"yes"} else "inconclusive"
    assert within == expected


def test_one_answer_in_twenty_is_wrong_when_there_is_nothing():
    rng = np.random.default_rng(0)
    for runs in (3, 5, 10):
        decisions = [decide(*row) for row in rng.normal(size=(4_000, runs))]
        wrong = np.mean([decision != "inconclusive" for decision in decisions])
        assert abs(wrong - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 4_000)


def test_fewer_than_three_finite_values_are_inconclusive():
    for values in ((), (9.0, 9.1), (9.0, 9.1, np.nan)):
        assert decide(*values) == "inconclusive"
    assert decide(9.0, 9.1, np.nan, 9.2) == "yes"


@pytest.mark.parametrize(
    "answers", [*itertools.product((YES, NO, INCONCLUSIVE), repeat=3)]
)
def test_the_four_verdicts(answers):
    decisions = frozenset(answer.decision for answer in answers)
    expected = {
        frozenset({"yes"}): "holds",
        frozenset({"no"}): "does not hold",
        frozenset({"inconclusive"}): "not decided",
        frozenset({"no", "inconclusive"}): "not decided",
    }.get(decisions, "partly supported")
    assert verdict(answers) == expected


def test_a_spread_has_two_digits_and_its_mean_as_many_decimals():
    assert plus_minus(0.12345, 0.0456) == "0.123 ± 0.046"
    assert plus_minus(12345.6, 456.0) == "12346 ± 456"
