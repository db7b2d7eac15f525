// Forms that open: the first thing to be written is where the cursor is.
for (const words of document.querySelectorAll("details.words")) {
  words.addEventListener("toggle", () => {
    if (words.open) words.querySelector("textarea, select, input:not([type=hidden])")?.focus();
  });
}
