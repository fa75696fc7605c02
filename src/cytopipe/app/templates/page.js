() => {
  // Words for those who hear the page, where gradio has general ones or none.
  const NAMES = {
    "#cell-file button.upload-container": "Image of one cell: choose a file, or drop one here",
    "#field-file button.upload-container": "Image of a whole field: choose a file, or drop one here",
  };
  const improve = () => {
    for (const [place, name] of Object.entries(NAMES)) {
      for (const one of document.querySelectorAll(place)) {
        if (one.ariaLabel !== name) one.ariaLabel = name;
      }
    }
    for (const group of document.querySelectorAll("fieldset")) {
      group.ariaLabel ??= group.querySelector("[data-testid=block-info]")?.textContent.trim() ?? null;
      for (const radio of group.querySelectorAll("input[type=radio]")) {
        if (radio.name !== group.id) radio.name = group.id; // one group: arrows move in it
      }
    }
    // Answers are read out when they come.
    for (const one of document.querySelectorAll(".block.live")) {
      if (one.ariaLive !== "polite") one.ariaLive = "polite";
    }
  };

  // On a narrow page the answer to an image comes below what is seen: it is brought into view, once.
  let asked = null;
  const ask = (event) => {
    if (event.target.closest(".samples button, input[type=file]")) asked = event.target.closest("[role=tabpanel]");
  };
  document.addEventListener("click", ask);
  document.addEventListener("change", ask, true);
  document.addEventListener("drop", (event) => { asked = event.target.closest("[role=tabpanel]"); }, true);
  const reveal = (changes) => {
    const place = asked?.querySelector(".live .html-container");
    if (!place || !changes.some((one) => place.contains(one.target))) return;
    asked = null;
    if (place.getBoundingClientRect().top > 0.75 * innerHeight) place.scrollIntoView();
  };

  document.documentElement.lang = "en";
  improve();
  new MutationObserver((changes) => { improve(); reveal(changes); })
    .observe(document.body, { childList: true, subtree: true, characterData: true, attributeFilter: ["src"] });
}
