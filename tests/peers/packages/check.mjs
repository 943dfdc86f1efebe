// What a release is made of, made of the program under test: the archive, the npm packages as npm installs them, the
// bundle as a desktop host starts it, the workflow that makes them all, and bursar as a server's service.

import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary } from "../lib/bursar.mjs";
import { runToEnd } from "../lib/process.mjs";
import { runPart } from "../lib/report.mjs";
import { makesAnArchive } from "./archive.mjs";
import { bundleStarts } from "./bundle.mjs";
import { namesAgree } from "./names.mjs";
import { npmInstalls } from "./npm.mjs";
import { serves } from "./service.mjs";

runPart("packages", async (onStop) => {
  const folder = mkdtempSync(join(tmpdir(), "bursar-peers-"));
  onStop(() => rmSync(folder, { recursive: true, force: true }));
  const program = await stripped(folder);
  const archive = await makesAnArchive(program, join(folder, "dist"));
  const [bundle] = await Promise.all([
    bundleStarts(onStop, archive, folder),
    npmInstalls(onStop, archive, folder),
    serves(onStop, program, folder),
  ]);
  await namesAgree(archive, bundle);
});

/** A debug build is twice as large with what only a debugger reads: packing that again and again takes long. */
async function stripped(folder) {
  const at = join(folder, "program", "bursar");
  mkdirSync(join(folder, "program"));
  const { code } = await runToEnd("strip", ["-o", at, binary()]);
  if (code !== 0) copyFileSync(binary(), at);
  chmodSync(at, 0o755);
  return at;
}
