// What the one is told who was not the first: who did what to which files, when and why, where they are now.
const DID = { resolve: "requeued", hold: "held", cancel: "cancelled", release: "released", abandon: "abandoned", recover: "recovered", reset: "reset" };
const NAMED = 3;

function names(group) {
  const first = group.slice(0, NAMED).map((each) => each.file || `run ${each.run}`).join(", ");
  return group.length > NAMED ? `${first} and ${group.length - NAMED} more` : first;
}

function stands(group) {
  const all = new Set(group.map((each) => `${each.state} ${each.phase}`));
  return `now ${[...all].join(", ")}`;
}

function sentence(group) {
  const by = group[0].operator;
  if (!by) return `${names(group)}: ${stands(group)}.`;
  return `${by.actor} ${DID[by.trigger] || by.trigger} ${names(group)} at ${by.at.slice(11, 19)} UTC: “${by.reason}”; ${stands(group)}.`;
}

export function lost(present) {
  const groups = new Map();
  for (const each of present) {
    const key = each.operator ? JSON.stringify(each.operator, ["actor", "trigger", "reason"]) : "";
    groups.set(key, [...(groups.get(key) || []), each]);
  }
  const said = [...groups.values()].slice(0, 5).map(sentence).join(" ");
  return `Somebody was quicker, and nothing was done here. ${said} Your selection is kept: close this, and look whether they still need you.`;
}
