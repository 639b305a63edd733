// What is wider than the page scrolls in its own box: also without a mouse, and pictures
// of several panels are not shrunk on a phone (custom.css).
(() => {
  const WIDE = 640; // pixels
  function mark() {
    for (const picture of document.querySelectorAll("article img"))
      if (picture.naturalWidth > WIDE) picture.dataset.wide = "";
    for (const box of document.querySelectorAll("article :is(table, div.math, pre)"))
      if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
  }
  addEventListener("load", () => {
    mark();
    window.MathJax?.startup?.promise?.then(mark);
  });
  addEventListener("resize", mark);
})();
