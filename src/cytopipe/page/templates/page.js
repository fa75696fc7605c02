() => {
  // Words for those who hear the page, where gradio has general ones or none.
  const NAMES = {
    "#cell-file button.upload-container": "Image of one cell: choose a file, or drop one here",
    "#field-file button.upload-container": "Image of a field: choose a file, or drop one here",
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
  document.documentElement.lang = "en";
  improve();
  new MutationObserver(improve).observe(document.body, { childList: true, subtree: true });
}
