/* What the widgets need of a page, and what they leave out of it. Loaded between
   requirejs and the widget manager, on pages with a widget only. */
(() => {
  // The manager's modules name the icons' font by their own place; it lies in one.
  const folder = new URL("../vendor/widgets", document.currentScript.src).href;
  requirejs.config({
    paths: { "@jupyter-widgets": folder, "@jupyter-widgets/html-manager/dist": folder },
  });

  addEventListener("DOMContentLoaded", () => {
    // The manager speaks to MathJax as it was in version 2.
    if (window.MathJax) window.MathJax.Hub ??= { Queue() {} };
    const look = { childList: true, subtree: true };
    new MutationObserver(nameAll).observe(document.body, look);
  });

  // For those who hear the page: a name for each slider and button, and the label of the
  // frame as the slider's value.
  const BUTTONS = { "fa-play": "Play", "fa-pause": "Pause", "fa-stop": "To the start" };

  function nameAll() {
    document.querySelectorAll(".netdyn-frames .widget-hslider").forEach(nameSlider);
    for (const [icon, name] of Object.entries(BUTTONS))
      document
        .querySelectorAll(`.netdyn-frames button:has(.${icon})`)
        .forEach((button) => set(button, "aria-label", name));
  }

  function nameSlider(row) {
    const handle = row.querySelector("[role=slider]");
    const readout = row.querySelector(".widget-readout");
    const label = row.querySelector(".widget-label");
    if (!handle || !readout || !label || row.dataset.named) return;
    row.dataset.named = "yes";
    handle.setAttribute("aria-label", label.textContent);
    label.removeAttribute("title"); // "null"
    readout.removeAttribute("contenteditable"); // the label is not for typing
    const tell = () => set(handle, "aria-valuetext", readout.textContent);
    new MutationObserver(tell).observe(row, {
      attributeFilter: ["aria-valuetext"],
      characterData: true,
      childList: true,
      subtree: true,
    });
    tell();
  }

  function set(element, name, value) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }
})();
