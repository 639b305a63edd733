"""Bad input is refused in one sentence: what came, what was expected, what to do."""

from fractions import Fraction

import numpy as np
import pytest

from netdyn_utils.checks import choose, positive, positive_int

NAMES = ("mnist", "cifar10", "cifar100")


@pytest.mark.parametrize("name", NAMES)
def test_a_known_name_comes_back_as_it_is(name):
    assert choose(name, NAMES, "data set") is name


@pytest.mark.parametrize(
    ("wrong", "near"), [("mnits", "mnist"), ("cifar-100", "cifar100"), ("MNISt", None)]
)
def test_an_unknown_name_is_told_all_choices_and_the_nearest(wrong, near):
    with pytest.raises(ValueError, match="unknown data set") as caught:
        choose(wrong, NAMES, "data set")
    message = str(caught.value)
    assert all(repr(name) in message for name in (wrong, *NAMES))
    assert (f"did you mean {near!r}?" in message) == (near is not None)


@pytest.mark.parametrize("wrong", ["", "zzz", 3, None, True, float("nan")])
def test_what_resembles_nothing_gets_no_hint(wrong):
    with pytest.raises(ValueError, match="choose 'mnist', 'cifar10' or") as caught:
        choose(wrong, NAMES, "data set")
    assert "did you mean" not in str(caught.value)


def test_a_single_choice_is_named_without_an_or():
    with pytest.raises(ValueError, match=r"choose 'mnist'$"):
        choose("other", ["mnist"], "data set")


@pytest.mark.parametrize("value", [1, 0.1, 5e-324, np.float32(2), Fraction(1, 3)])
def test_positive_numbers_of_any_type_come_back_as_they_are(value):
    assert positive(value, "learning rate") is value


@pytest.mark.parametrize(
    "value", [0, -0.0, -1, float("nan"), float("inf"), "0.1", None, True, 1j, [0.1]]
)
def test_a_rate_that_is_no_positive_finite_number_is_refused(value):
    with pytest.raises(ValueError, match="learning rate must be a positive") as caught:
        positive(value, "learning rate")
    assert repr(value) in str(caught.value)


@pytest.mark.parametrize("value", [1, 64, np.int64(7), np.uint8(3)])
def test_a_whole_number_comes_back_as_an_int(value):
    assert positive_int(value, "steps") == value
    assert type(positive_int(value, "steps")) is int


@pytest.mark.parametrize(
    "value", [0, -1, 1.0, 2.5, float("nan"), "10", None, True, False, np.bool_(True)]
)
def test_a_count_that_is_no_whole_number_above_zero_is_refused(value):
    with pytest.raises(ValueError, match="steps must be a whole number") as caught:
        positive_int(value, "steps")
    assert repr(value) in str(caught.value)
