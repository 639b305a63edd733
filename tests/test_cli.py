"""The command line reports errors at once, in sentences, with the right exit code."""

import re
import resource
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import click
import papermill.cli
import pytest
from click.testing import CliRunner
from small_book import COMMAND, REPOSITORY, TINY, alive, make_book, start, wait_for

from netdyn_utils.book.sweep import read_sweep
from netdyn_utils.cli import cli
from netdyn_utils.notebook_params import find_notebook, read_parameters, validate

ENDLESS = "# %%\nimport os\npid = os.getpid()\nopen('pid', 'w').write(str(pid))\n\n"
ENDLESS += "# %%\nimport time\ntime.sleep(600)\n"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A book of two chapters, with a good site from before."""
    book = make_book(tmp_path, **{"01_tiny": TINY, "02_endless": ENDLESS})
    (book / "_build/site").mkdir(parents=True)
    (book / "_build/site/index.html").write_text("the last good site")
    monkeypatch.chdir(book)
    return book


def said(*words, code):
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == code, done.output
    return done.output


@pytest.mark.parametrize("words", [["--help"], ["run", "tiny", "-p", "stepz=1"]])
def test_a_usage_error_loads_nothing_heavy_and_is_fast(root, words):
    heavy = "{'torch', 'numpy', 'papermill', 'dask', 'pandas'} & set(sys.modules)"
    code = (
        "import sys; from netdyn_utils.cli import cli\n"
        f"try: cli({words})\nfinally: print({heavy})"
    )
    command = [sys.executable, "-c", code]
    shown = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert shown.stdout.endswith("set()\n"), shown.stderr

    def seconds():  # of a processor: what else runs here does not count
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        subprocess.run([*COMMAND, *words], capture_output=True, cwd=root)
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before

    assert min(seconds() for _ in range(3)) < 0.3


@pytest.mark.parametrize(
    ("words", "sentences"),
    [
        (["boook"], ["No such command 'boook'"]),
        (["book", "--profile", "quik"], ["unknown profile 'quik': choose 'quick'"]),
        (["book", "--processes", "0"], ["0 is not in the range x>=1"]),
        (["book", "--limit", "nan"], ["expected 90, 90s, 20m or 1.5h, got 'nan'"]),
        (["run", "tinny"], ["unknown notebook 'tinny'", "did you mean 'tiny'?"]),
        (
            ["run", "tiny", "-py=2", "-psteps=0", "-prat=1"],
            [
                *("parameter 'y'", "steps must be a whole number in [1, inf), got '0'"),
                *("'rat': choose", "(did you mean 'rate'?)"),
            ],
        ),
        (["run", "tiny", "-p", "x"], ["expected each NAME=VALUE once, got x"]),
        (["run", "tiny", "-py=2", "-py=3"], ["each NAME=VALUE once, got y=2, y=3"]),
        (["run", "tiny", "steps=2"], ["unexpected extra argument (steps=2)"]),
        (["sweep", "none.yaml"], ["File 'none.yaml' does not exist"]),
        (
            ["results", "compute", "--claim", "tails"],
            ["unknown claim 'tails': choose 'controls',"],
        ),
    ],
)
@pytest.mark.usefixtures("root")
def test_all_errors_are_reported_at_once(words, sentences):
    output = said(*words, code=2)
    assert all(sentence in output for sentence in sentences), output


def test_outside_of_a_book_the_error_names_the_folder_to_go_to(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "go to the folder with _toc.yml" in said("book", code=2)
    assert "Usage" in said("book", "--help", code=0)


def test_a_failing_book_names_the_cell_and_keeps_the_last_good_site(root, monkeypatch):
    (root / "notebooks/params/quick.yaml").write_text("01_tiny: {steps: 13}")
    toc = (root / "_toc.yml").read_text()
    (root / "_toc.yml").write_text(toc.replace("- file: notebooks/02_endless\n", ""))
    monkeypatch.chdir(root / "notebooks/params")  # from a folder below, too
    output = said("book", code=1)
    partial = root / "_build/executed/quick/01_tiny/01_tiny.ipynb"
    assert "1 of 1 notebooks failed" in output
    assert "cell 3: import time\n  ZeroDivisionError: division by zero" in output
    assert str(partial) in output
    assert partial.exists()
    assert (root / "_build/site/index.html").read_text() == "the last good site"


def test_an_interrupted_book_ends_quietly_with_its_kernels(root):
    process, pid = start(root, "book", "--processes", "1"), root / "pid"
    (root / "_build/executed/quick/02_endless").mkdir(parents=True)
    wait_for(lambda: pid.exists() and pid.read_text(), 300)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert output.endswith("Aborted!\n")
    assert "Traceback" not in output
    wait_for(lambda: not alive([int(pid.read_text())]))


def commands():
    """Yield the commands that README and pages show, each as its words."""
    for page in [REPOSITORY / "README.md", *sorted((REPOSITORY / "book").glob("*.md"))]:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        blocks = re.findall(r"```(?:bash|sh)\n(.*?)```", text, re.S)
        lines = [line for block in blocks for line in block.splitlines()]
        for line in [*lines, *re.findall(r"`([^`\n]+)`", text)]:
            line = line.removeprefix("python -m ").partition(" #")[0]
            if line.startswith(("netdyn_utils ", "papermill ", "make ")):
                yield shlex.split(line)


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
def test_every_command_of_readme_and_pages_works_as_typed(words, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    program, *words = words
    if program == "make":
        targets = re.findall(r"^([a-z-]+):", Path("Makefile").read_text(), re.M)
        assert {word for word in words if "=" not in word} <= set(targets)
        return
    if program == "papermill":
        given = papermill.cli.papermill.make_context("papermill", words).params
        source, values = given["notebook_path"], dict(given["parameters"])
    else:
        command, context = cli, cli.make_context("netdyn_utils", words)
        while isinstance(command, click.Group):
            name, command, rest = command.resolve_command(
                context, [*context._protected_args, *context.args]
            )
            context = command.make_context(name, rest, parent=context)
        given = context.params
        values = given.get("typed", {})
        source = given.get("notebook")
        if "scheduler" in given:
            assert read_sweep(REPOSITORY, given["file"]).sets
    if source:
        validate(read_parameters(find_notebook(REPOSITORY, source)), values)


def test_the_sweep_file_on_the_page_is_one(tmp_path):
    page = (REPOSITORY / "book/rerun.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```yaml\n(notebook:.*?)```", page, re.S)
    (tmp_path / "learning_rates.yaml").write_text(text)
    assert len(read_sweep(REPOSITORY, tmp_path / "learning_rates.yaml").sets) == 9
