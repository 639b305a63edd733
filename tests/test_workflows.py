"""What runs elsewhere, read here: workflows on GitHub, and the setup on Binder."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
MAY_WRITE = {  # which job may write what; all others only read
    ("book", "deploy"): {"pages": "write", "id-token": "write"},
    ("weekly", "links"): {"contents": "read", "issues": "write"},
    ("release", "publish"): {"contents": "write"},
}
# Names with a value that an event's author chooses: never inside a script.
UNTRUSTED = re.compile(r"\$\{\{[^}]*github\.(event|head_ref|ref_name)[^}]*\}\}")


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps():
    for path in WORKFLOWS:
        for name, job in read(path)["jobs"].items():
            for step in job["steps"]:
                yield f"{path.stem}: {name}", step


def test_the_workflows_are_those_that_are_described():
    names = ["book", "ci", "preview", "release", "weekly"]
    assert [path.stem for path in WORKFLOWS] == names
    told = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert all(f"\n| `{name}` | " in told for name in names)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_ends_takes_turns_and_may_only_read(path):
    told = read(path)
    assert told["permissions"] == {"contents": "read"}
    assert set(told["concurrency"]) == {"group", "cancel-in-progress"}
    for name, job in told["jobs"].items():
        assert 0 < job["timeout-minutes"] <= 60
        assert "latest" not in job["runs-on"]
        assert job.get("permissions", {}) == MAY_WRITE.get((path.stem, name), {})
        assert set([job["needs"]] if "needs" in job else []) <= set(told["jobs"])


def test_every_action_is_pinned_by_its_full_version():
    used = {}
    for where, step in steps():
        assert ("uses" in step) != ("run" in step), where
        if "uses" in step:
            name, _, version = step["uses"].partition("@")
            assert re.fullmatch(r"v\d+\.\d+\.\d+", version), f"{where}: {step['uses']}"
            assert used.setdefault(name, version) == version, f"two versions of {name}"
            if name == "actions/checkout":
                assert step["with"]["persist-credentials"] is False, where


def test_every_script_is_sound_shell_with_nothing_of_others_pasted_in():
    for where, step in steps():
        script = step.get("run", "")
        assert not UNTRUSTED.search(script), where
        run = subprocess.run(["bash", "-n"], input=script, text=True, check=False)
        assert run.returncode == 0, where


def test_every_target_that_a_workflow_makes_is_in_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    made = {
        target
        for _, step in steps()
        for target in re.findall(r"^make ([a-z-]+)", step.get("run", ""), re.M)
    }
    assert {"setup", "published", "release", "book"} <= made <= targets


def test_what_others_see_is_built_with_the_history():
    """Without it no page could say when it last changed."""
    for path in WORKFLOWS:
        for name, job in read(path)["jobs"].items():
            builds = any(
                re.search("make (published|book)", step.get("run", ""))
                for step in job["steps"]
            )
            depths = [
                step["with"].get("fetch-depth")
                for step in job["steps"]
                if step.get("uses", "").startswith("actions/checkout")
            ]
            if builds and path.stem != "weekly":  # which only follows links
                assert depths == [0], f"{path.stem}: {name}"


def test_a_pull_request_has_its_site_and_the_list_of_its_pages():
    scripts = [step for where, step in steps() if where.startswith("preview")]
    runs = "\n".join(step.get("run", "") for step in scripts)
    diff = "git diff --name-only HEAD^1 -- book notebooks"
    assert runs.index(diff) < runs.index("make book PROFILE=test")
    uploads = [s for s in scripts if "upload-artifact" in s.get("uses", "")]
    assert [step["with"]["path"] for step in uploads] == ["_build/site"]


@pytest.mark.parametrize("records", [False, True])
def test_the_published_site_is_of_the_records_once_there_are_any(tmp_path, records):
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).touch()
    (tmp_path / "book" / "results").mkdir(parents=True)
    if records:
        (tmp_path / "book" / "results" / "updates-0.json").touch()
    command = ["make", "-n", "-C", str(tmp_path), "published"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    run = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment
    )
    assert ("book --profile paper" in run.stdout) == records


def test_binder_installs_the_book_with_the_python_of_the_tests():
    script = ROOT / "binder" / "postBuild"
    assert os.access(script, os.X_OK)
    assert script.read_text().startswith("#!/usr/bin/env bash\nset -euo pipefail\n")
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    assert "-e '.[book]' -c constraints.txt" in script.read_text()
    version = (ROOT / "binder" / "runtime.txt").read_text().strip()
    pinned = {
        step["with"]["python-version"]
        for _, step in steps()
        if "setup-python" in step.get("uses", "")
    }
    assert {version} == {f"python-{each}" for each in pinned}
