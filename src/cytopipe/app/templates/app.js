() => {
  // Labels for screen readers, where gradio has none or only generic ones.
  const LABELS = {
    "#cell-file button.upload-container": "Image of one cell: choose a file, or drop one here",
    "#field-file button.upload-container": "Image of a whole field: choose a file, or drop one here",
  };
  const improve = () => {
    for (const [selector, label] of Object.entries(LABELS)) {
      for (const one of document.querySelectorAll(selector)) {
        if (one.ariaLabel !== label) one.ariaLabel = label;
      }
    }
    for (const group of document.querySelectorAll("fieldset")) {
      group.ariaLabel ??= group.querySelector("[data-testid=block-info]")?.textContent.trim() ?? null;
      for (const radio of group.querySelectorAll("input[type=radio]")) {
        if (radio.name !== group.id) radio.name = group.id; // one group, so that the arrow keys work
      }
    }
    // Screen readers announce new results.
    for (const one of document.querySelectorAll(".block.live")) {
      if (one.ariaLive !== "polite") one.ariaLive = "polite";
    }
  };

  // On a narrow screen the result appears below the fold: scroll to it, once per request.
  let requested = null;
  const request = (event) => {
    if (event.target.closest(".samples button, input[type=file]")) requested = event.target.closest("[role=tabpanel]");
  };
  document.addEventListener("click", request);
  document.addEventListener("change", request, true);
  document.addEventListener("drop", (event) => { requested = event.target.closest("[role=tabpanel]"); }, true);
  const reveal = (changes) => {
    const target = requested?.querySelector(".live .html-container");
    if (!target || !changes.some((one) => target.contains(one.target))) return;
    requested = null;
    if (target.getBoundingClientRect().top > 0.75 * innerHeight) target.scrollIntoView();
  };

  document.documentElement.lang = "en";
  improve();
  new MutationObserver((changes) => { improve(); reveal(changes); })
    .observe(document.body, { childList: true, subtree: true, characterData: true, attributeFilter: ["src"] });
}
