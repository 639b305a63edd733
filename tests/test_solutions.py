"""The folded solutions are short, and run after the cells of their chapter."""

import re

import pytest
from chapters import CODE, ROOT, exercises

CHAPTERS = sorted((ROOT / "notebooks").glob("0[1-7]*.ipynb"))
FOLDED = re.compile(
    r"<details><summary>Solution</summary>\n\n(.*?)\n\n</details>", re.S
)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_exercise_has_one_folded_solution_with_short_code(path):
    found = exercises(path)
    assert 2 <= len(found) <= 4
    for exercise in found:
        (solution,) = FOLDED.findall(exercise)
        for code in CODE.findall(solution):
            assert len(code.splitlines()) <= 15
            assert max(map(len, code.splitlines())) <= 88
    assert any(CODE.findall(exercise) for exercise in found)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_runs_and_its_solutions_after_it(path, chapters):
    run = chapters.runs[path.stem]
    assert run.status == "ok", run
