// Keeps the parts of a page that change up to date. The server sends the same page as a fragment (?part=1); each
// element with data-part is replaced where it differs. Nothing is asked for while the tab is hidden.
const body = document.body;
const asOf = document.getElementById("as-of");
const every = 1000 * Number(body.dataset.live || 0);
const shown = new Map([...document.querySelectorAll("[data-part]")].map((part) => [part.id, part.innerHTML]));
let lastGood = Date.now();
let busy = false;

async function refresh() {
  if (busy || document.hidden) return;
  busy = true;
  try {
    const url = new URL(location.href);
    url.searchParams.set("part", "1");
    const answer = await fetch(url, { cache: "no-cache", signal: AbortSignal.timeout(10000) });
    if (!answer.ok) throw new Error(`${answer.status}`);
    show(await answer.text());
    asOf.textContent = answer.headers.get("X-As-Of") || asOf.textContent;
    lastGood = Date.now();
  } catch {
    // the server or the database is away: what is shown turns grey below, and the next try comes by itself
  } finally {
    busy = false;
    body.classList.toggle("stale", Date.now() - lastGood > 3 * every);
  }
}

function show(html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  for (const part of fresh.content.querySelectorAll("[data-part]")) {
    const old = document.getElementById(part.id);
    if (!old || shown.get(part.id) === part.innerHTML) continue;
    const focused = old.contains(document.activeElement) && document.activeElement.getAttribute("href");
    shown.set(part.id, part.innerHTML);
    old.innerHTML = part.innerHTML;
    if (focused) old.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }
}

if (every) {
  setInterval(refresh, every);
  document.addEventListener("visibilitychange", refresh);
}
