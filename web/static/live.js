// Keeps the parts of a page that change up to date. The server tells by an event stream that something changed, or
// that nothing did; the parts are then asked for (?part=1), and those that differ come. Where there is no stream the
// page asks again and again. While the tab is hidden nothing is asked and no connection is kept.
const body = document.body;
const asOf = document.getElementById("as-of");
const every = 1000 * Number(body.dataset.live || 0);
const SILENT_MS = Math.max(5 * every, 12000); // a stream says something every 5 s
const AGAIN_MS = 60000;
const shown = new Map(); // each part by its id, as the server sent it last
let have = "";
let waiting = []; // parts that are older, for somebody writes or marks text in them
let failed = false;
let upto = body.dataset.since || "";
let source = null;
let polling = null;
let lastGood = Date.now();
let running = null;
let again = false;

// Asks for the parts now, or once more after the present time; where nobody looks, when somebody does.
export function refresh() {
  if (running || document.hidden) again = true;
  else running = fetchAll().finally(() => { running = null; });
  return running;
}

async function fetchAll() {
  do {
    again = false;
    const began = performance.now();
    await fetchParts();
    // A slow server is left alone for longer than it took.
    await new Promise((done) => setTimeout(done, Math.min(4 * (performance.now() - began), 10000)));
  } while (again && !document.hidden);
}

async function fetchParts() {
  try {
    const url = new URL(location.href);
    url.searchParams.set("part", "1");
    url.hash = "";
    const answer = await fetch(url, { cache: "no-store", headers: { "X-Have": have }, signal: AbortSignal.timeout(10000) });
    if (answer.redirected || (!answer.ok && answer.status !== 304)) throw new Error(`${answer.status}`);
    waiting = answer.status === 304 ? [] : show(await answer.text());
    have = waiting.length ? "" : answer.headers.get("X-Parts") || "";
    if (waiting.length) setTimeout(refresh, every);
    failed = false;
    good(answer.headers.get("X-As-Of"));
  } catch {
    failed = true;
    look(); // the server or the database is away: what is shown turns grey, and the next try comes by itself
    if (!polling) setTimeout(refresh, every);
  }
}

// Puts in what has come; gives the parts that have to wait, for somebody writes or marks text in them.
function show(html) {
  const fresh = document.createElement("template");
  fresh.innerHTML = html;
  const changed = [];
  const later = [];
  for (const part of fresh.content.querySelectorAll("[data-part]:not([data-part] [data-part])")) {
    const now = document.getElementById(part.id);
    if (!now || shown.get(part.id)?.isEqualNode(part)) continue;
    if (inUse(now)) { later.push(part.id); continue; }
    const focused = now.contains(document.activeElement) && document.activeElement;
    if (shown.has(part.id)) morph(now, shown.get(part.id), part);
    else now.replaceChildren(...part.cloneNode(true).childNodes);
    remember(part);
    changed.push(part.id);
    if (focused && !focused.isConnected) focusAgain(now, focused);
  }
  if (changed.length) document.dispatchEvent(new CustomEvent("parts", { detail: changed }));
  return later;
}

// Keeps a part as the server sent it; one that lies in another takes its place there too.
function remember(part) {
  const was = shown.get(part.id);
  if (was?.isConnected === false && was.parentNode) was.replaceWith(part);
  for (const each of [part, ...part.querySelectorAll("[data-part]")]) shown.set(each.id, each);
}

// Changes what the server changed since it last sent this, and leaves the rest: elements stay the same ones, with
// what other scripts and the person have done to them.
function morph(now, was, fresh) {
  if (was.isEqualNode(fresh)) return;
  const alike = now.nodeName === fresh.nodeName && was.nodeName === fresh.nodeName
    && was.childNodes.length === fresh.childNodes.length && now.childNodes.length === fresh.childNodes.length;
  if (!alike) { now.replaceWith(fresh.cloneNode(true)); return; }
  if (fresh.nodeType !== Node.ELEMENT_NODE) { now.nodeValue = fresh.nodeValue; return; }
  for (const { name } of [...was.attributes]) if (!fresh.hasAttribute(name)) now.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (was.getAttribute(name) !== value) now.setAttribute(name, value);
  [...now.childNodes].forEach((child, at) => morph(child, was.childNodes[at], fresh.childNodes[at]));
}

function inUse(part) {
  const at = document.activeElement;
  if (part.contains(at) && at.matches("input:not([type=checkbox]), textarea, select")) return true;
  const marked = getSelection();
  return Boolean(marked && !marked.isCollapsed && marked.containsNode(part, true));
}

function focusAgain(part, focused) {
  const href = focused.getAttribute("href");
  const there = (focused.id && document.getElementById(focused.id)) || (href && part.querySelector(`[href="${CSS.escape(href)}"]`));
  if (there) there.focus({ preventScroll: true });
}

function good(at) {
  lastGood = Date.now();
  if (at) {
    asOf.textContent = at;
    for (const part of document.querySelectorAll("[data-part]")) {
      if (!shown.get(part.id)?.dataset.asOf && !waiting.includes(part.id)) part.dataset.asOf = at;
    }
  }
  look();
}

function look() {
  body.classList.toggle("stale", Date.now() - lastGood > (source ? SILENT_MS : 3 * every));
}

function listen() {
  if (source || document.hidden) return;
  const url = `${body.dataset.events}?${new URLSearchParams({ topics: body.dataset.topics || "", since: upto })}`;
  source = new EventSource(url);
  const hear = (name, then) => source.addEventListener(name, (event) => {
    upto = event.lastEventId || upto;
    then(JSON.parse(event.data).as_of);
  });
  hear("change", () => refresh());
  hear("beat", (at) => { if (!running && !failed) good(at); });
  hear("stale", () => { lastGood = 0; look(); });
  source.addEventListener("open", () => poll(false));
  source.addEventListener("error", () => {
    if (source?.readyState !== EventSource.CLOSED) return; // it comes back by itself
    close();
    poll(true);
    setTimeout(listen, AGAIN_MS);
  });
}

function close() {
  source?.close();
  source = null;
}

function poll(on) {
  clearInterval(polling);
  polling = on ? setInterval(() => { if (!document.hidden) refresh(); }, every) : null;
}

function wake() {
  if (document.hidden) close();
  else {
    if (polling || again) refresh();
    listen();
  }
}

if (every) {
  for (const part of document.querySelectorAll("[data-part]:not([data-part] [data-part])")) remember(part.cloneNode(true));
  setInterval(look, 1000);
  document.addEventListener("visibilitychange", wake);
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) wake(); });
  if (window.EventSource && body.dataset.events) listen();
  else poll(true);
}
