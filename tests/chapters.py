"""The chapters, each run once for all tests, with its solutions as its last cells."""

import json
import os
import pickle
import re
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from netdyn_utils.book.execute import NotebookRun, run_all
from netdyn_utils.notebook_params import plan_jobs
from netdyn_utils.pairing import to_notebook

ROOT = Path(__file__).resolve().parents[1]
CODE = re.compile(r"```python\n(.*?)\n```", re.S)
LIMIT = 900  # seconds of one chapter, beside other work


@dataclass(frozen=True)
class Chapters:
    """How each chapter ran, by name, and the store of what they computed."""

    runs: dict[str, NotebookRun]
    store: Path

    def shown(self, name: str) -> str:
        """Return the text of every output of a chapter."""
        run = self.runs[name]
        assert run.status == "ok", run
        cells = json.loads(run.output.read_text(encoding="utf-8"))["cells"]
        outputs = (out for cell in cells for out in cell.get("outputs", ()))
        texts = (text for out in outputs for text in out.get("data", {}).values())
        return "\n".join("".join(each) for each in texts if not isinstance(each, dict))


def run_chapters(folder: Path) -> Chapters:
    """Run all chapters in the test profile, or read how they ran for another worker."""
    kept = folder / "chapters.pickle"
    with FileLock(f"{folder}.lock"):
        if not kept.exists():
            jobs = []
            for job in plan_jobs(ROOT, "test", folder / "executed"):
                source = folder / job.source.name
                source.parent.mkdir(exist_ok=True)
                source.write_text(json.dumps(with_solutions(job.source)))
                jobs.append(replace(job, source=source))
            store = folder / "store"
            settings = {"NETDYN_RUNS": str(store), "OMP_NUM_THREADS": "1"}
            options = {"processes": 2, "limit": LIMIT, "cwd": ROOT}
            runs = run_all(jobs, environment=settings, **options)
            found = Chapters({run.name: run for run in runs}, store)
            kept.write_bytes(pickle.dumps(found))
        return pickle.loads(kept.read_bytes())


def shared_folder(tmp_path_factory) -> Path:
    """Return a folder of this session that all workers of xdist have in common."""
    base = tmp_path_factory.getbasetemp()
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    return (base if alone else base.parent) / "chapters"


def with_solutions(path: Path) -> dict:
    """Return a chapter as a notebook whose last cells are its solutions' code."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for exercise in exercises(path):
        for code in CODE.findall(exercise):
            if "\n...\n" not in code:  # a sketch
                cells = to_notebook(f"# %%\n{code}\nplt.close('all')\n")["cells"]
                notebook["cells"] += cells
    return notebook


def exercises(path: Path) -> list[str]:
    """Return the exercises of a chapter, each with its folded solution."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = ("".join(cell["source"]) for cell in cells)
    text = next(text for text in texts if "## Exercises" in text)
    part = text.split("## Exercises")[1].split("\n## ")[0]
    return re.split(r"^\*\*\d\.\*\* ", part, flags=re.M)[1:]
