// What is wider than the page scrolls in its own box, also without a mouse; pictures of
// several panels are not shrunk on a phone, and a last column of words breaks its lines
// (custom.css).
(() => {
  const WIDE = 640; // pixels
  const WORDS = 16; // letters
  const all = (selector) => document.querySelectorAll(`article ${selector}`);
  function mark() {
    for (const picture of all("img:not(.netdyn-frame img)")) // frames know their width
      if (picture.naturalWidth > WIDE) picture.dataset.wide = "";
    for (const cell of all("table.dataframe td:last-child"))
      cell.classList.toggle("words", cell.textContent.length > WORDS);
    for (const box of all(":is(table, div.math, pre)"))
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
  addEventListener("load", () => {
    mark();
    window.MathJax?.startup?.promise?.then(mark);
  });
  addEventListener("resize", mark);
})();
