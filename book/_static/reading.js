// What the theme leaves undone for readers on a phone, by keyboard, or by ear.
(() => {
  const WIDE = 640; // pixels
  const WORDS = 16; // letters
  const all = (selector) => document.querySelectorAll(selector);

  // A hidden name hides the words that stand there ("Search", "Imports"), and the sign
  // that opens the pages below another has none.
  function name() {
    for (const named of all("button.search-button-field, details.hide > summary"))
      named.removeAttribute("aria-label");
    for (const sign of all(".has-children > details > summary"))
      sign.ariaLabel = `Pages below: ${sign.closest("li").querySelector("a").innerText}`;
  }

  // What is wider than the page scrolls in its own box; pictures of several panels are
  // not shrunk, and a last column of words breaks its lines (custom.css).
  function mark() {
    for (const picture of all("article img:not(.netdyn-frame img)"))
      if (picture.naturalWidth > WIDE) picture.dataset.wide = "";
    for (const cell of all("article table.dataframe td:last-child"))
      cell.classList.toggle("words", cell.textContent.length > WORDS);
    for (const box of all("article :is(table, div.math, pre)"))
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }

  addEventListener("DOMContentLoaded", name);
  addEventListener("load", () => {
    mark();
    window.MathJax?.startup?.promise?.then(mark);
  });
  addEventListener("resize", mark);
})();
