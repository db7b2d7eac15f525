// Acting on what is selected: how many each action would change, a dialog that asks for the reason, what came of it.
// The server's count stands for exactly these items: if they change before the button is pressed, nothing is done.
import { current } from "./keys.js";
import { lost } from "./lost.js";
import { act, address, dryRun, progress } from "./operations.js";
import { choose, clear, elements, kind, selected, toggle } from "./select.js";
import { commandLine, curl } from "./twins.js";

const section = document.getElementById("acting");
const dialog = document.getElementById("act");
const acted = document.getElementById("acted");
const DONE = { requeue: "requeued", hold: "held", release: "released", cancel: "cancelled", abandon: "abandoned", recover: "recovered", reset: "reset" };
const BY_KEY = Object.fromEntries([...section.querySelectorAll("[data-act]")].map((each) => [each.dataset.key, each.dataset.act]));
const WAIT_MS = 300;
let waiting = 0;
let open = null;

const many = (n, word) => `${n.toLocaleString("en").replaceAll(",", "\u202f")} ${word}${n === 1 ? "" : "s"}`;

function chosen() {
  return kind() === "runs" ? { runs: selected(), scope: "file" } : { items: selected() };
}

function word() {
  return kind() === "runs" ? "run" : "file";
}

// ---- the bar

function shown() {
  const n = selected().length;
  section.hidden = n === 0;
  section.querySelector(".says").textContent = n ? `${many(n, word())} selected` : "";
  clearTimeout(waiting);
  if (n && section.dataset.may === "yes") waiting = setTimeout(counted, WAIT_MS);
}

async function counted() {
  const what = chosen();
  const asked = JSON.stringify(what);
  for (const button of section.querySelectorAll("[data-act]")) {
    if (button.dataset.act === "reset") {
      button.hidden = !section.dataset.states;
      continue;
    }
    const { status, body } = await dryRun({ action: button.dataset.act, selection: what });
    if (JSON.stringify(chosen()) !== asked) return;
    button.hidden = status !== 200 || body.total === 0;
    button.querySelector(".n").textContent = status === 200 ? body.total : "";
  }
}

// ---- the dialog

async function ask(action, selection) {
  open = { action, selection, files: files(selection), key: crypto.randomUUID?.() || `${Date.now()}-${Math.random()}`, selected: null };
  dialog.querySelector("form").reset();
  dialog.querySelector("h2").textContent = `${action[0].toUpperCase()}${action.slice(1)}`;
  problem("");
  goBack(action === "reset");
  if (!dialog.open) dialog.showModal();
  dialog.querySelector("textarea").focus();
  await look();
}

function files(selection) {
  if (!selection.items) return [];
  const numbers = elements().map((element) => (element.matches("a") ? element : element.querySelector("th a")).pathname.split("/").pop());
  const shown = location.pathname.match(/^.*\/files\/(\d+)$/);
  return numbers.length || !shown ? numbers : [shown[1]];
}

function goBack(is) {
  const label = dialog.querySelector(".to");
  label.hidden = !is;
  const states = is ? section.dataset.states.split(" ") : [];
  label.querySelector("select").replaceChildren(...states.map((state) => new Option(state)));
}

function body() {
  const form = dialog.querySelector("form");
  const wanted = { action: open.action, selection: open.selection, reason: form.elements.reason.value.trim() };
  if (open.action === "reset") wanted.to_state = form.elements.to_state.value;
  return wanted;
}

async function look() {
  twins();
  const { reason, ...wanted } = body();
  const answer = await dryRun(wanted);
  if (answer.status === 200) found(answer.body.total, answer.body.selected, answer.body.names || [], answer.body.lane, answer.body.why);
  else {
    dialog.querySelector(".count").textContent = "";
    problem(answer.body.detail);
  }
}

function found(total, digest, names, lane, why) {
  open.selected = digest;
  const first = names.slice(0, 3).join(", ");
  const more = total > 3 && names.length ? ", …" : "";
  const where = lane ? `, in the ${lane} lane` : "";
  dialog.querySelector(".count").textContent = total
    ? `${many(total, "item")} would be ${DONE[open.action]}${where}${first ? `: ${first}${more}` : ""}`
    : `There is ${why || `nothing to ${open.action} in what is selected`}.`;
  const button = dialog.querySelector(".strong");
  button.textContent = `${open.action[0].toUpperCase()}${open.action.slice(1)} ${total}`;
  button.disabled = total === 0;
}

function twins() {
  dialog.querySelector('[data-twin="cli"]').textContent = commandLine(body(), open.files);
  dialog.querySelector('[data-twin="curl"]').textContent = curl(address(), body(), open.key);
}

function problem(text) {
  const line = dialog.querySelector(".problem-line");
  line.hidden = !text;
  line.textContent = text;
}

async function send() {
  const wanted = body();
  if (!wanted.reason) return problem("Please say why; the reason stays in the history.");
  dialog.querySelector(".strong").disabled = true;
  const answer = await act(open.selected ? { ...wanted, selected: open.selected } : wanted, open.key);
  if (answer.status === 200 || answer.status === 202) {
    dialog.close();
    clear();
    await told(wanted.action, answer);
  } else refused(answer.body);
}

function refused(said) {
  open.key = crypto.randomUUID?.() || `${Date.now()}`;
  if (said.code === "selection-changed") {
    problem(`It changed since you looked, and nothing was done: ${many(said.total, "item")} now. Press again if that is what you want.`);
    found(said.total, said.selected, [], "", said.why);
    return;
  }
  problem(said.present?.length ? lost(said.present) : said.detail);
  dialog.querySelector(".strong").disabled = false;
}

// ---- what came of it

async function told(action, answer) {
  let done = answer.body;
  acted.hidden = false;
  while (["waiting", "running"].includes(done.status) && answer.location) {
    acted.replaceChildren(bar(done), ` ${action}: ${done.done} of ${many(done.total, "item")}${done.eta_s ? `, ${Math.round(done.eta_s)} s to go` : ""} `, link(done.id));
    await new Promise((later) => setTimeout(later, 1000));
    const now = await progress(answer.location);
    if (now.status === 200) done = now.body;
  }
  const names = (done.names || []).slice(0, 5).join(", ");
  if (!done.total) return acted.replaceChildren(`There was ${done.why}. `, link(done.id));
  const less = done.meanwhile ? ` (${done.meanwhile} had changed meanwhile and stayed as they are)` : "";
  acted.replaceChildren(`${DONE[action]} ${many(done.changed, "item")}${names ? `: ${names}` : ""}${less}. `, link(done.id));
}

function bar(done) {
  const shown = document.createElement("progress");
  shown.max = done.total;
  shown.value = done.done;
  shown.ariaLabel = "how far it is";
  return shown;
}

function link(id) {
  const to = document.createElement("a");
  to.href = `${section.dataset.page || section.dataset.operations}/${id}`;
  to.textContent = `operation ${id}`;
  return to;
}

// ---- who presses what

function pressed(event) {
  const button = event.target.closest?.("[data-act]");
  if (button && dialog) event.preventDefault();
  if (button && dialog) ask(button.dataset.act, button.dataset.selection ? JSON.parse(button.dataset.selection) : chosen());
  if (event.target.closest?.("[data-drop]")) clear();
  const copy = event.target.closest?.("[data-copy]");
  if (copy) {
    navigator.clipboard?.writeText(dialog.querySelector(`[data-twin="${copy.dataset.copy}"]`).textContent);
    copy.textContent = "Copied";
  }
}

document.addEventListener("selection", shown);
document.addEventListener("click", pressed);
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.("input, select, textarea, dialog")) return;
  if (event.key === "x" || (event.key === " " && current())) {
    if (toggle(current())) event.preventDefault();
  } else if (event.key === "Escape") clear();
});
document.addEventListener("key-action", (event) => {
  const action = BY_KEY[event.detail];
  if (!action || !dialog) return;
  if (!selected().length && current()) choose([current().closest("[data-item], [data-run]").dataset.item || current().closest("[data-run]").dataset.run]);
  if (!selected().length) return;
  event.preventDefault();
  ask(action, chosen());
});
dialog?.addEventListener("submit", (event) => {
  if (event.submitter?.value !== "act") return;
  event.preventDefault();
  send();
});
dialog?.addEventListener("input", (event) => (event.target.name === "to_state" ? look() : twins()));
shown();
