"""A digest is of what code does; a manifest says what was sealed, or is refused."""

import inspect
import json

import numpy as np
import pytest

from netdyn_utils import histogram
from netdyn_utils.store.provenance import seal, source_digest, surroundings, unseal

CODE = '''
import math


def area(r, unit="#"):
    scale = """a··
······
    # no comment"""
    return math.pi * r**2, f"# {unit}", scale


class Stop(Exception): ...
'''.replace("·", " ")

COMMENTED = '''"""A module
with a docstring."""
# and a comment  é
import math  # why
def area(r, unit="#"):  # noqa
    """Return π r²: "quotes" # and hashes."""

    # first
    scale = """a··
······
    # no comment"""  # after the text

    return math.pi * r**2, f"# {unit}", scale
    "a note below"


class Stop(Exception): ...



'''.replace("·", " ")


def test_comments_docstrings_and_blank_lines_do_not_count():
    assert source_digest(COMMENTED) == source_digest(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("r**2", "r**3"),
        ('unit="#"', 'unit="##"'),
        ('f"# {unit}"', 'f"#{unit}"'),
        ("# no comment", "# a comment"),  # inside a string
        ("a  \n", "a\n"),  # a blank at the end of a line of a string
        ("a  \n      \n", "a  \n"),  # an empty line of a string
        ("Stop", "Halt"),  # beside an ellipsis
    ],
)
def test_any_change_of_code_counts(old, new):
    assert old in CODE
    assert source_digest(CODE.replace(old, new)) != source_digest(CODE)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('def f(): "What."', 'def g(): "What."'),
        ('"What."; x = 1', '"What."; x = 2'),
        ('x = 1; "What."', 'x = 2; "What."'),
    ],
)
def test_code_that_shares_its_line_with_a_bare_string_counts(one, other):
    assert source_digest(one) != source_digest(other)


def test_characters_that_only_look_like_line_ends_shift_nothing():
    text = "page = '{0}'  # why\nx = 1  # what\n"
    for odd in ("\x0c", "\x1c", "\u2028", "é"):
        bare = text.format(odd).replace("  # why", "").replace("  # what", "")
        assert source_digest(text.format(odd)) == source_digest(bare)


def test_a_digest_is_that_of_all_sources_in_their_order():
    assert source_digest("x = 1", "y = 2") != source_digest("y = 2", "x = 1")
    assert source_digest("x = 1", "y = 2") != source_digest("x = 1")


def test_the_digest_of_a_real_module_survives_another_comment():
    text = inspect.getsource(histogram)
    longer = text.replace(
        "\nimport numpy as np", "\n# More\nimport numpy as np  # arrays"
    )
    assert longer != text
    assert source_digest(longer) == source_digest(text)
    assert source_digest(text.replace("size == 0", "size == 1")) != source_digest(text)


def test_surroundings_are_plain_json_with_versions_processor_and_time():
    told = json.loads(json.dumps(surroundings()))
    assert told["versions"]["numpy"] == np.__version__
    assert {"netdyn", "torch", "python"} <= set(told["versions"])
    assert told["processor"]
    assert told["created"].endswith("Z")


MANIFEST = {"kind": "updates", "config": {"w": (1, 2), "lr": 0.1}, "seconds": 1 / 3}


def test_a_sealed_manifest_reads_back_as_json_holds_it():
    read = unseal(seal(MANIFEST))
    del read["checksum"]
    assert read == {**MANIFEST, "config": {"w": [1, 2], "lr": 0.1}}


def test_white_space_and_order_are_no_part_of_what_a_manifest_says():
    said = unseal(seal(MANIFEST))
    turned = json.dumps(dict(reversed(said.items())))
    assert unseal(turned) == said


@pytest.mark.parametrize("place", ["kind", "config", "seconds", "checksum"])
def test_a_manifest_is_refused_when_anything_in_it_changed(place):
    changed = {**json.loads(seal(MANIFEST)), place: "other"}
    with pytest.raises(ValueError, match="differs from its checksum"):
        unseal(json.dumps(changed))


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "3", "null", '"text"', "\0"])
def test_what_is_no_sealed_manifest_is_refused(text):
    with pytest.raises(ValueError, match=r"checksum|Expecting"):
        unseal(text)
