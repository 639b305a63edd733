"""A record that is missing or damaged costs its own rows, and the page says so."""

import ast
import warnings
from pathlib import Path

import jupytext
import matplotlib.pyplot as plt
import pytest
from click.testing import CliRunner

from netdyn_utils import study
from netdyn_utils.book.execute import run_all
from netdyn_utils.cli import cli
from netdyn_utils.notebook_params import plan_jobs, profile_block

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "book" / "results"
CLAIMS = ROOT / "notebooks" / "07_claims.py"
KNOWN_LAWS = ("repeated(",)  # cells that sample millions of numbers and read no record


@pytest.fixture
def results(tmp_path):
    """A folder with links to all records, from which a test may take some away."""
    folder = tmp_path / "results"
    folder.mkdir()
    for path in RESULTS.iterdir():
        (folder / path.name).symlink_to(path)
    return folder


def take_away(folder, pattern):
    paths = [*folder.glob(f"{pattern}.json"), *folder.glob(f"{pattern}.npz")]
    assert paths
    for path in paths:
        path.unlink()
    return len(paths) // 2


def run_chapter(parameters, monkeypatch):
    """Run the cells of the claims chapter; return their markdown output."""
    monkeypatch.chdir(CLAIMS.parent)
    names, shown = {}, []
    for cell in jupytext.read(CLAIMS).cells:
        if cell.cell_type != "code" or any(w in cell.source for w in KNOWN_LAWS):
            continue
        tree = ast.parse(cell.source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
            if hasattr(value, "_repr_markdown_"):
                shown.append(value._repr_markdown_())
        if "parameters" in cell.metadata.get("tags", ()):
            names |= parameters
    plt.close("all")
    return "\n".join(shown)


@pytest.mark.parametrize(
    "kind", ["updates", "intervals", "perturbation", "information"]
)
def test_the_claims_chapter_does_without_a_kind_of_record(kind, results, monkeypatch):
    number = take_away(results, f"{kind}_*")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of plots without a label
        text = run_chapter({"results": str(results)}, monkeypatch)
    verb = "is" if number == 1 else "are"
    assert f"Of the records of the study {number} {verb} missing" in text
    assert "make results" in text
    assert "nan" not in text.replace("finance", "")


def test_one_record_of_a_setting_costs_one_seed(results, monkeypatch):
    take_away(results, "updates_mlp_*_steps3000_seed3_shuffled-labels_*")
    damaged = next(results.glob("updates_mlp_sgd_lr0.1_bs64_steps30000_seed2_*.npz"))
    damaged.unlink()
    damaged.write_bytes(b"netdyn")
    read = study.read_study(results)
    assert read.unavailable == {
        "mlp, rate 0.1, seed 2": "damaged",
        "control: shuffled labels, seed 3": "missing",
    }
    whole = study.study_statistics(study.read_study(RESULTS), RESULTS)
    found = study.study_statistics(read, results)
    setting = "control: shuffled labels"
    assert found[setting]["seed"] == (0, 1, 2, 4, 5, 6, 7, 8, 9)
    rest = [v for k, v in enumerate(whole[setting]["alpha, late"]) if k != 3]
    assert found[setting]["alpha, late"] == tuple(rest)
    assert found["control: adam"] == whole["control: adam"]
    text = run_chapter({"results": str(results)}, monkeypatch)
    assert "2 are damaged or missing" in text


def test_a_chapter_without_its_record_shows_the_quick_profile_and_says_so(
    results, tmp_path, monkeypatch
):
    name, quick = "01_training", profile_block(ROOT, "test", "01_training")
    (job,) = (j for j in plan_jobs(ROOT, "paper", tmp_path / "out") if j.name == name)
    take_away(results, "updates_mlp_sgd_lr0.1_bs64_steps30000_seed0_*")
    monkeypatch.setenv("NETDYN_RESULTS", str(results))
    monkeypatch.setenv("NETDYN_COMPUTE", "never")
    monkeypatch.setenv("NETDYN_RUNS", str(tmp_path / "runs"))
    (run,) = run_all([job], fallback={name: quick})
    assert (run.status, run.parameters) == ("ok", quick), run
    assert run.note.startswith("The record updates_mlp_sgd_lr0.1_bs64_steps30000_seed0")
    assert "`make results`" in run.note
    assert run.note.endswith("this is the quick profile instead.")


def test_an_empty_folder_has_no_verdicts(tmp_path):
    read = study.read_study(tmp_path)
    assert "167 are missing" in read.note
    found = study.study_statistics(read, tmp_path)
    assert found["mlp, rate 0.1"]["alpha, late"] == ()
    assert "mlp, rate 0.2" not in found
    claims = study.evaluate_claims(found)
    assert {claim.verdict for claim in claims} == {"no records"}
    assert len(study.summary(claims)) == 3


def test_the_commands_name_missing_records(results, tmp_path, monkeypatch):
    book = tmp_path / "clone" / "book"
    book.mkdir(parents=True)
    (book.parent / "notebooks").mkdir()
    (book.parent / "_toc.yml").touch()
    take_away(results, "perturbation_*_seed1_*")
    results.rename(book / "results")
    monkeypatch.chdir(book.parent)
    status, verdicts = (
        CliRunner().invoke(cli, ["results", command])
        for command in ("status", "verdicts")
    )
    assert "missing  landscape, seed 1\n166 fresh, 1 missing" in status.output
    assert (status.exit_code, verdicts.exit_code) == (1, 0)
    assert "1 is missing (landscape, seed 1)" in verdicts.output
