// One clear line per check. `run` counts the lines that begin with "ok" and "FAIL".

let failed = 0;
let part = "?";

export function check(sentence, holds, detail) {
  if (holds) return void console.log(`ok    ${part}: ${sentence}`);
  failed += 1;
  console.log(`FAIL  ${part}: ${sentence}`);
  if (detail !== undefined) console.log(indent(show(detail)));
}

export function equal(sentence, actual, expected) {
  const same = show(actual) === show(expected);
  check(sentence, same, same ? undefined : { actual, expected });
}

/** Runs a part: a throw is a failed check, and whatever was started is stopped. */
export async function runPart(name, story) {
  part = name;
  const started = [];
  const stop = () => started.splice(0).reverse().forEach((end) => end());
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => { stop(); process.exit(1); });
  try {
    await story((end) => started.push(end));
  } catch (error) {
    check("runs to its end", false, error?.stack ?? error);
  } finally {
    stop();
  }
  process.exit(failed ? 1 : 0);
}

const show = (value) =>
  typeof value === "string" ? value : JSON.stringify(value, (_, v) => (typeof v === "bigint" ? `${v}` : v), 1) ?? `${value}`;
const indent = (text) => text.slice(0, 6000).replace(/^/gm, "        ");
