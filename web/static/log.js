// The end of a log is asked for when somebody opens it, not with each look at the page: it lies on a shared file system.
async function read(details) {
  const shown = details.querySelector("pre");
  shown.textContent = "…";
  const answer = await fetch(details.dataset.log, { headers: { Accept: "text/plain" } }).catch(() => null);
  if (answer?.ok) shown.textContent = (await answer.text()) || "It is empty.";
  else shown.textContent = (await answer?.json().catch(() => null))?.detail || "It cannot be read now.";
}

document.addEventListener("toggle", (event) => {
  if (event.target.matches?.("details[data-log]") && event.target.open) read(event.target);
}, true);
