"""The command line answers at once, in sentences, with an exit code that means it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest
import yaml
from filelock import FileLock

from netdyn_utils.__main__ import main
from netdyn_utils.pairing import pair

COMMAND = (sys.executable, "-m", "netdyn_utils")


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A book of one chapter that fails, with a good site from before."""
    notebooks = tmp_path / "notebooks"
    (notebooks / "params").mkdir(parents=True)
    (notebooks / "params" / "quick.yaml").write_text("{}")
    (notebooks / "01_topic.py").write_text("# %%\nx = 0\n\n# %%\n# why\n1 / x\n")
    pair(notebooks)
    toc = {"root": "book/index", "chapters": [{"file": "notebooks/01_topic"}]}
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(toc))
    (tmp_path / "_build" / "site").mkdir(parents=True)
    (tmp_path / "_build" / "site" / "index.html").write_text("the last good site")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def exit_code(*argv):
    """Return the exit code, whether argparse ends the program or we do."""
    try:
        return main(list(argv))
    except SystemExit as end:
        return end.code


def test_help_loads_nothing_heavy_and_comes_at_once():
    code = (
        "import sys; from netdyn_utils.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print({'torch', 'numpy', 'yaml'} & set(sys.modules))"
    )
    shown = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert shown.endswith("set()\n")
    assert "book" in shown

    def seconds():
        start = time.perf_counter()
        subprocess.run([*COMMAND, "--help"], check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.3


def test_parameters_are_checked_at_once_with_nothing_heavy_loaded(root):
    words = ["run", "topic", "-p", "stepz=1"]
    code = (
        "import sys; from netdyn_utils.__main__ import main\n"
        f"print(main({words}), {{'torch', 'numpy', 'papermill'}} & set(sys.modules))"
    )
    shown = subprocess.check_output([sys.executable, "-c", code], text=True, cwd=root)
    assert shown == "2 set()\n"

    def seconds():
        start = time.perf_counter()
        run = subprocess.run([*COMMAND, *words], check=False, capture_output=True)
        assert run.returncode == 2
        return time.perf_counter() - start

    assert min(seconds() for _ in range(5)) < 0.3


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ((), "required: COMMAND"),
        (("boook",), "invalid choice: 'boook'"),
        (("book", "--profile", "quik"), "unknown profile 'quik': choose 'quick'"),
        (("book", "--processes", "0"), "must be a whole number of at least 1, got 0"),
        (("book", "--processes", "two"), "at least 1, got 'two'"),
        (("book", "--limit", "nan"), "expected 90, 90s, 20m or 1.5h, got 'nan'"),
        (("serve", "--port", "70000"), "port 70000 cannot be used"),
    ],
)
@pytest.mark.usefixtures("root")
def test_bad_arguments_get_a_sentence_and_exit_code_two(argv, sentence, capsys):
    assert exit_code(*argv) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("argv", "sentences"),
    [
        (("run", "topic", "--profile", ""), ["unknown profile '': choose 'quick'"]),
        (
            ("run", "topic", "-p", "x", "-p", "=1", "-p", "y=2", "-p", "y=3"),
            ["NAME=VALUE, got 'x'", "got '=1'", "'y' is given twice", "parameter 'y'"],
        ),
        (("results", "compute", "--claim", "tails"), ["no claim 'tails': controls,"]),
        (("results", "compute", "--only", "zzz"), ["no run's name holds 'zzz'"]),
    ],
)
@pytest.mark.usefixtures("root")
def test_all_that_is_wrong_is_told_at_once(argv, sentences, capsys):
    assert exit_code(*argv) == 2
    said = capsys.readouterr().err
    assert all(sentence in said for sentence in sentences), said


def test_a_book_without_pages_is_told_what_is_not_there(root, capsys):
    (root / "notebooks" / "01_topic.py").write_text("# %%\nx = 1\n")
    pair(root / "notebooks")
    assert exit_code("book") == 1
    said = capsys.readouterr().out
    assert f"{root / 'book'} is not there" in said
    assert (root / "_build/site/index.html").read_text() == "the last good site"


@pytest.mark.parametrize("argv", [("book",), ("pair",), ("serve",)])
def test_outside_of_a_book_the_reader_is_told_where_to_go(
    argv, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert exit_code(*argv) == 2
    assert "go to the folder with _toc.yml" in capsys.readouterr().err


def test_commands_work_from_a_folder_below(root, monkeypatch, capsys):
    monkeypatch.chdir(root / "notebooks" / "params")
    assert exit_code("pair", "--check") == 0
    assert capsys.readouterr().out == ""


def test_pair_makes_and_check_compares(root, capsys):
    made = root / "notebooks" / "01_topic.ipynb"
    made.unlink()
    assert exit_code("pair", "--check") == 1
    assert "notebooks/01_topic.ipynb: differs from its .py" in capsys.readouterr().out
    assert not made.exists()
    assert exit_code("pair") == 0
    assert exit_code("pair", "--check") == 0


def test_book_does_not_run_a_notebook_that_is_not_its_text(root, capsys):
    made = root / "notebooks" / "01_topic.ipynb"
    notebook = json.loads(made.read_text())
    notebook["cells"][0]["source"] = ["x = 1"]
    made.write_text(json.dumps(notebook))
    assert exit_code("book") == 1
    assert "notebooks/01_topic.ipynb; `make pair`" in capsys.readouterr().out


def test_failing_notebook_fails_the_book_and_leaves_the_last_good_site(root, capsys):
    assert exit_code("book") == 1
    said = capsys.readouterr().out
    partial = root / "_build/executed/quick/01_topic/01_topic.ipynb"
    assert "1 of 1 notebooks failed" in said
    assert "01_topic: failed" in said
    assert "cell 2: # why" in said
    assert "ZeroDivisionError: division by zero" in said
    assert str(partial) in said
    assert partial.exists()
    assert (root / "_build/site/index.html").read_text() == "the last good site"


def test_two_books_at_once_do_not_mix(root, capsys):
    with FileLock(root / "_build" / "book.lock"):
        assert exit_code("book") == 1
    assert "another `book` is at work" in capsys.readouterr().out


def test_interrupted_book_ends_quietly_with_its_kernels(root):
    (root / "notebooks" / "01_topic.py").write_text(
        "# %%\nimport time, os, pathlib\n"
        "pathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)\n"
    )
    pair(root / "notebooks")
    pid = root / "notebooks" / "pid"
    book = subprocess.Popen(
        [*COMMAND, "book"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        wait_for(lambda: book.poll() is not None or (pid.exists() and pid.read_text()))
        assert book.poll() is None, book.communicate()
        book.send_signal(signal.SIGINT)
        _, said = book.communicate(timeout=60)
    finally:
        book.kill()
    assert book.returncode == 130
    assert said == "stopped\n"
    wait_for(lambda: not is_alive(int(pid.read_text())))


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_serve_shows_the_site_to_this_machine_only(root):
    serve = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0"],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with serve:
        address = serve.stdout.readline().split()[0]
        assert address.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(address) as page:
            assert page.read() == b"the last good site"
        serve.send_signal(signal.SIGINT)
        try:
            assert serve.wait(timeout=30) == 0
        finally:
            serve.kill()


def test_serve_says_what_is_wrong(root, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert exit_code("serve", "--port", str(port)) == 2
    assert f"port {port} cannot be used" in capsys.readouterr().err
    (root / "_build/site/index.html").unlink()
    (root / "_build/site").rmdir()
    assert exit_code("serve") == 2
    assert "`make book` builds it" in capsys.readouterr().err
