() => {
  document.documentElement.lang = "en";
  // Answers are read out when they come.
  for (const one of document.querySelectorAll(".live")) one.setAttribute("aria-live", "polite");
}
