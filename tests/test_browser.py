"""The book, built in the test profile, in a browser: every page, as a reader meets it.

NETDYN_SCREENSHOTS=1 leaves a picture of each page in _build/screenshots.
"""

import contextlib
import functools
import http.server
import itertools
import os
import re
import shutil
import threading
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from chapters import shared_folder
from filelock import FileLock

from netdyn_utils.book import site

ROOT = Path(__file__).resolve().parents[1]
AXE = ROOT / "tests" / "vendor" / "axe-core" / "axe.min.js"
SCREENSHOTS = ROOT / "_build" / "screenshots"
TOC = re.findall(r"(?:file|root): (\S+)", (ROOT / "_toc.yml").read_text())
PAGES = [*TOC, "genindex", "py-modindex", "search"]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text())
REDIRECTS = CONFIG["sphinx"]["config"]["redirects"]
SOURCE = "https://github.com/owner/name"
# Docutils marks references as a list of entries (DPUB-ARIA), which axe does not know.
EXCLUDED = [".citation-list"]


@pytest.fixture(scope="session")
def built(chapters, tmp_path_factory):
    """The site with all its buttons, built once for all workers."""
    root = shared_folder(tmp_path_factory).with_name("book")
    with FileLock(f"{root}.lock"):
        index = root / "site" / "index.html"
        if not index.exists():
            runs = chapters.runs.values()
            assert [str(run) for run in runs if run.status != "ok"] == []
            shutil.rmtree(root, ignore_errors=True)  # of a build that failed
            root.mkdir()
            for name in ("book", "notebooks", "netdyn_utils", "_toc.yml"):
                (root / name).symlink_to(ROOT / name)
            repository = {**CONFIG["repository"], "url": SOURCE}
            changed = {**CONFIG, "repository": repository}
            config = yaml.safe_dump(changed, sort_keys=False)  # scripts in their order
            (root / "_config.yml").write_text(config)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("NETDYN_RUNS", str(chapters.store))
                site.stage(runs, root / "stage", root=root, profile="test")
                site.build(root / "stage", root / "site", root=root)
    return index.parent


@contextlib.contextmanager
def served(folder):
    """Serve a site on a port of its own."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def address(built):
    """Where the site with all its buttons is served."""
    with served(built) as where:
        yield where


@pytest.fixture(scope="session")
def browser():
    """Start the machine's own Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        reason = "no Chromium on this machine"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    from playwright.sync_api import sync_playwright

    quiet = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=quiet)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """Open a page of its own for one test."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    yield page
    page.close()


# Every page: what it asks for, how it reads, how it looks.


def test_every_page_is_visited(built):
    found = {path.relative_to(built).as_posix() for path in built.rglob("*.html")}
    found = {name for name in found if not name.startswith(("_static", "_modules"))}
    assert found == {f"{name}.html" for name in {*PAGES, *REDIRECTS}}


@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_and_readable(built, address, page, name):
    faults = heard(page, address)
    page.goto(f"{address}{name}.html", wait_until="networkidle")
    page.evaluate("window.MathJax?.startup?.promise.then(() => 0)")
    faults += [*_outline(page), *_links(page, built, address), *_widgets(page)]
    if name.startswith("notebooks/"):
        faults += _provenance(page, name)
    page.add_style_tag(content="* { transition: none !important; }")
    if name.startswith("book/api/"):  # functions are all alike: axe reads a few of each
        page.evaluate(
            "document.querySelectorAll('section dl.py:nth-of-type(n + 4), dl.py "
            "dl.py:nth-of-type(n + 4)').forEach(e => e.style.display = 'none')"
        )
    faults += [*_accessible(page, "dark"), *_accessible(page, "light")]
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 900})
        wide = page.evaluate("document.documentElement.scrollWidth")
        if wide > width:
            faults.append(f"{wide} px wide on a screen of {width}")
        if os.environ.get("NETDYN_SCREENSHOTS"):
            picture = SCREENSHOTS / f"{name}-{width}.png"
            page.screenshot(path=picture, full_page=True)
    assert not faults, "\n".join(faults)


def heard(page, address):
    """Return a list that fills with what goes wrong as a page is visited."""
    faults = []
    page.on("console", lambda m: m.type == "error" and faults.append(m.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("requestfailed", lambda r: faults.append(f"failed: {r.url}"))
    page.on("response", lambda r: r.status >= 400 and faults.append(f"gone: {r.url}"))
    own = (address, "data:", "blob:")
    page.on(
        "request", lambda r: r.url.startswith(own) or faults.append(f"asks {r.url}")
    )
    return faults


def _outline(page):
    """Headings skip no level, pictures have alt text, outputs no error; math is set."""
    levels = page.evaluate(
        """[...document.querySelectorAll("h1, h2, h3, h4, h5, h6")]
          .filter(h => h.closest("article, .bd-search-container"))
          .map(h => Number(h.tagName[1]))"""
    )
    skipped = any(low > high + 1 for high, low in itertools.pairwise(levels))
    if levels[:1] != [1] or levels.count(1) != 1 or skipped:
        yield f"headings of levels {levels}"
    silent = page.locator("img:not([alt]), img[alt='']").count()
    yield from ["a picture without alt text"] * silent
    errors = page.locator(".output :is(.error, .traceback, .stderr)").count()
    yield from ["an output shows an error or a warning"] * errors
    yield from page.evaluate(
        """[...document.querySelectorAll("article .math")].filter(m =>
          !m.querySelector("mjx-container")?.offsetWidth).map(m => m.textContent)"""
    )


def _links(page, built, address):
    """Links of the article lead to a page, a file, a place that is there."""
    links = page.locator("article a[href]").evaluate_all("all => all.map(a => a.href)")
    for link in {link for link in links if link.startswith(address)}:
        path, _, place = unquote(link.removeprefix(address)).partition("#")
        path = path.partition("?")[0]
        if not (built / path).is_file() or place not in {"", *_places(built / path)}:
            yield f"leads nowhere: {link}"


@functools.cache
def _places(path):
    if path.suffix != ".html":
        return set()
    return set(re.findall(r' id="([^"]+)"', path.read_text(encoding="utf-8")))


def _widgets(page):
    scripts = page.locator("script[src*='vendor/widgets']").count()
    if bool(scripts) != bool(page.locator(".netdyn-moving").count()):
        yield "loads the widget manager without a widget, or a widget without it"


def _provenance(page, name):
    """A chapter says at its top and at its end how it was made."""
    top = page.inner_text("article > section > p >> nth=-1")
    if not re.search("Profile test, .+, a run of", top):
        yield "does not say at its top how it was made"
    end = page.inner_text("#how-this-page-was-made")
    for words in ("Profile test", "Parameters:", f"papermill {name}.ipynb"):
        if words not in end:
            yield f"does not say at its end: {words}"
    if page.locator("#how-this-page-was-made a.download").count() < 2:
        yield "has no downloads"


def _accessible(page, mode):
    """Axe finds nothing serious; in the dark theme only the colours differ."""
    page.emulate_media(color_scheme=mode)
    page.wait_for_function(f"document.documentElement.dataset.theme == '{mode}'")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    options = {"resultTypes": ["violations"], "preload": False}
    if mode == "dark":
        options["runOnly"] = ["color-contrast"]
    run = "([exclude, options]) => axe.run({exclude}, options)"
    for violation in page.evaluate(run, [EXCLUDED, options])["violations"]:
        if violation["impact"] in ("serious", "critical"):
            places = [node["target"] for node in violation["nodes"][:3]]
            yield f"{violation['id']} ({mode}): {places}"


def test_buttons_lead_to_files_that_are_there_and_work(address, page):
    page.goto(f"{address}notebooks/02_updates.html")
    links = page.locator(".article-header-buttons a[href^=http]")
    found = set(links.evaluate_all("links => links.map(link => link.href)"))
    starts = (
        "https://colab.research.google.com/github/owner/name/blob/main/",
        "https://mybinder.org/v2/gh/owner/name/main?urlpath=lab/tree/",
        f"{SOURCE}/edit/main/",
    )
    for start in starts:
        (link,) = (link for link in found if link.startswith(start))
        assert (ROOT / link.removeprefix(start)).is_file(), link
    assert f"{SOURCE}/edit/main/notebooks/02_updates.py" in found
    assert f'pip install -q "git+{SOURCE}@main"' in page.inner_text("article")
    page.goto(f"{address}notebooks/07_claims.html")  # Colab has none of its records
    assert page.locator("[href*='mybinder']").count() == 1
    assert page.locator("[href*='colab']").count() == 0
    assert "In Colab" not in page.inner_text("article")


def test_an_old_name_leads_to_the_same_place_on_the_new_page(address, page):
    for old, new in REDIRECTS.items():
        page.goto(f"{address}{old}.html#x")
        page.wait_for_url(f"{address}{(Path(old).parent / new).as_posix()}#x")
        assert page.locator("article h1").count() == 1


# Figures that move.

MOVING = """[...document.querySelectorAll(".netdyn-frames")].map(widget =>
  [...widget.querySelectorAll("img")].filter(i => i.offsetParent).map(i => i.alt))"""


def widgets(page, address, name):
    """Open a page and return its moving figures, once they are drawn."""
    page.goto(f"{address}{name}.html", wait_until="networkidle")
    count = page.locator(".netdyn-moving").count()
    page.wait_for_function(f"{MOVING}.filter(one => one.length).length == {count}")
    return [page.locator(".netdyn-frames").nth(index) for index in range(count)]


def moving_pages(built):
    """Return the pages with a moving figure."""
    mark = 'class="netdyn-moving"'
    return [name for name in TOC if mark in (built / f"{name}.html").read_text()]


def seen(widget):
    """Return the alt text of the one frame that a moving figure shows."""
    frames = widget.locator("img:visible")
    assert frames.count() == 1
    return frames.get_attribute("alt")


def changes(widget, act):
    """Do something, wait until the figure shows another frame, return its alt text."""
    before = seen(widget).replace("\\", "\\\\").replace('"', '\\"')
    act()
    widget.locator(f'img:visible:not([alt="{before}"])').wait_for(timeout=5_000)
    return seen(widget)


def test_every_figure_moves_by_keyboard_by_mouse_and_by_itself(built, address, page):
    assert "notebooks/02_updates" in moving_pages(built)
    for name in moving_pages(built):
        for widget in widgets(page, address, name):
            handle = widget.get_by_role("slider")
            assert handle.get_attribute("aria-label")
            handle.focus()
            value = handle.get_attribute("aria-valuetext")
            last = seen(widget)
            assert value in last
            first = changes(widget, lambda h=handle: h.press("Home"))
            assert handle.get_attribute("aria-valuetext") in first
            if last != first:
                changes(widget, lambda h=handle: h.press("ArrowRight"))
            track = widget.locator(".noUi-target")
            box = track.bounding_box()
            end = {"x": box["width"] - 2, "y": box["height"] / 2}
            changes(widget, lambda t=track, e=end: t.click(position=e))
            handle.press("Home")
            play = widget.get_by_role("button", name="Play")
            changes(widget, lambda p=play: p.click())
            widget.get_by_role("button", name="To the start").click()
            menu = widget.get_by_role("combobox")
            if menu.count():
                last = menu.locator("option").last.inner_text()
                assert last in changes(
                    widget, lambda m=menu, value=last: m.select_option(value)
                )


def test_paper_and_a_page_without_scripts_have_the_plain_figure(
    built, address, page, browser
):
    name = moving_pages(built)[0]
    widgets(page, address, name)
    plain = page.locator(".netdyn-moving > .netdyn-frame img").first
    assert not plain.is_visible()
    page.emulate_media(media="print")
    assert plain.is_visible()
    assert not page.locator(".netdyn-frames").first.is_visible()
    solution = page.locator("article details:not(.hide) > :not(summary)").first
    assert solution.evaluate("e => e.checkVisibility({contentVisibilityAuto: true})")
    assert not page.locator("details.hide").first.is_visible()
    context = browser.new_context(java_script_enabled=False)
    silent = context.new_page()
    silent.goto(f"{address}{name}.html")
    assert silent.locator(".netdyn-moving > .netdyn-frame img").first.is_visible()
    context.close()


def test_what_needs_a_kernel_is_a_picture_that_says_so(address, page):
    for name in ("notebooks/01_training", "notebooks/03_tails"):
        page.goto(f"{address}{name}.html", wait_until="networkidle")
        still = page.locator(".netdyn-still")
        assert still.locator("img").is_visible()
        assert "running notebook" in still.inner_text()
        assert still.locator("button, select, [role=slider]").count() == 0


def test_on_a_phone_panels_side_by_side_scroll_and_are_not_shrunk(address, page):
    page.set_viewport_size({"width": 390, "height": 900})
    for name in ("notebooks/03_tails", "notebooks/05_perturbation"):
        page.goto(f"{address}{name}.html", wait_until="networkidle")
        page.locator(".netdyn-frames [data-wide]:visible").first.wait_for()
        seen = page.locator("[data-wide]:visible").evaluate_all(
            """pictures => pictures.map(picture => {
              let box = picture.parentElement;
              while (getComputedStyle(box).overflowX != "auto") box = box.parentElement;
              return [picture.offsetWidth, box.scrollWidth, box.clientWidth];
            })"""
        )
        assert len(seen) >= 3
        for picture, whole, window in seen:
            assert picture >= 600
            assert window <= 390 < whole


# The rest of what a reader does.


def test_search_finds_every_page_by_its_title(built, address, page):
    for name in TOC:
        title = re.search(r"<h1>(.*?)<a", (built / f"{name}.html").read_text())[1]
        words = " ".join(re.findall(r"[A-Za-z]{3,}", re.sub("<.*?>", "", title)))
        page.goto(f"{address}search.html?q={words}", wait_until="commit")
        page.wait_for_selector(f"#search-results li a[href^='{name}.html']")
