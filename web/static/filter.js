// Filters as you type: the address follows, and the parts of the page with it. What cannot be read is said, and the
// address stays. Without JavaScript the form is an ordinary one, with its button.
import { refresh } from "./live.js";

const form = document.querySelector("form[data-filter]");
const WAIT_MS = 250;
let waiting = 0;
let asking = null;

function address() {
  const url = new URL(form.action);
  for (const [name, value] of new FormData(form)) if (value) url.searchParams.append(name, value);
  return url;
}

async function show() {
  const url = address();
  if (url.href === location.href) return;
  asking?.abort();
  asking = new AbortController();
  const part = new URL(url);
  part.searchParams.set("part", "1");
  try {
    const answer = await fetch(part, { cache: "no-cache", signal: asking.signal });
    if (answer.ok) {
      await answer.text();
      history.replaceState(null, "", url);
      say("");
      refresh();
      exports();
    } else say(line(await answer.text()));
  } catch (error) {
    if (error.name !== "AbortError") say("The server does not answer; what is shown may be old.");
  }
}

function exports() {
  for (const link of document.querySelectorAll("[data-keep]")) {
    const to = new URL(location.href);
    to.searchParams.set("format", link.dataset.keep);
    to.searchParams.delete("after");
    link.href = to;
  }
}

function line(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  return page.querySelector(".problem")?.textContent || "This cannot be answered.";
}

function say(text) {
  let said = document.getElementById("filter-says");
  if (!said) {
    said = document.createElement("p");
    said.id = "filter-says";
    said.className = "problem-line";
    said.setAttribute("role", "status");
    form.after(said);
  }
  said.textContent = text;
}

form?.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(show, WAIT_MS);
});
