// The calls behind the buttons: a dry run, the action itself, how far a large one is.
const section = document.getElementById("acting");
const base = new URL(section?.dataset.operations || "/", location.href);
const token = () => document.querySelector('meta[name="csrf-token"]')?.content || "";

async function call(url, options = {}) {
  const headers = { Accept: "application/json", ...options.headers };
  const answer = await fetch(url, { ...options, headers, cache: "no-store" });
  const body = await answer.json().catch(() => ({ detail: `The server answered ${answer.status}.` }));
  return { status: answer.status, body, location: answer.headers.get("Location") };
}

function post(url, body, key) {
  const headers = { "Content-Type": "application/json", "X-CSRFToken": token() };
  if (key) headers["Idempotency-Key"] = key;
  return call(url, { method: "POST", headers, body: JSON.stringify(body) });
}

export const address = () => base.href;

export function dryRun(body) {
  const url = new URL(base);
  url.searchParams.set("dry_run", "true");
  return post(url, { reason: "to see what would be done", ...body });
}

export const act = (body, key) => post(base, body, key);
export const progress = (location) => call(new URL(location, base));
