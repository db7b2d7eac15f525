// The command line and the call that do the same as a button: each can be copied, and says what is sent.
const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
const OPTIONS = { campaign: "--campaign", state: "--state", phase: "--phase", kind: "--type", step: "--step", reason_code: "--reason-code", scope: "--scope" };

export function commandLine(body, files) {
  const words = ["headframe", body.action];
  if (body.selection.items) words.push("file", ...files);
  for (const run of body.selection.runs || []) words.push("--run", String(run));
  for (const [name, option] of Object.entries(OPTIONS)) {
    if (body.selection[name]) words.push(option, body.selection[name]);
  }
  if (body.to_state) words.push("--to", body.to_state);
  return `${words.map(quoted).join(" ")} --reason ${quoted(body.reason || "... why ...")}`;
}

export function curl(url, body, key) {
  return [
    "curl -X POST", quoted(url),
    "-H \"Authorization: Bearer $HEADFRAME_TOKEN\" -H 'Content-Type: application/json'",
    `-H 'Idempotency-Key: ${key}' -d`, quoted(JSON.stringify({ ...body, reason: body.reason || "... why ..." })),
  ].join(" ");
}
