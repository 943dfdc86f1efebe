#!/bin/sh
# Rebuilds the .hex files (runtime code) from the .sol files: the same compiler and settings give the same bytes.
# Needs node and npm; the compiler is fetched into a temporary directory. Run it only after changing a source.
# `build.sh --check` writes nothing and fails if committed code differs.
set -eu
solc=0.8.37
contracts="PlayDollar PlaySequenceDollar PlayPermit2 PlayExactProxy PlayUptoProxy"
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" "solc@$solc" >/dev/null

cat >"$work/build.cjs" <<'JS'
const fs = require("fs");
const path = require("path");
const solc = require("solc");
const [from, to, ...contracts] = process.argv.slice(2);
const settings = {
  optimizer: { enabled: true, runs: 200 },
  evmVersion: "paris", // no opcode newer than every chain and test node knows
  metadata: { appendCBOR: false, bytecodeHash: "none" }, // nothing but code, so a comment does not change the bytes
  outputSelection: { "*": { "*": ["evm.deployedBytecode.object"] } },
};
const sources = {};
for (const file of fs.readdirSync(from).filter((name) => name.endsWith(".sol"))) {
  sources[file] = { content: fs.readFileSync(path.join(from, file), "utf8") };
}
const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));
for (const e of output.errors ?? []) console.error(e.formattedMessage);
for (const contract of contracts) {
  const code = output.contracts?.[`${contract}.sol`]?.[contract]?.evm.deployedBytecode.object;
  if (!code) process.exit(1);
  fs.writeFileSync(path.join(to, `${contract}.hex`), code + "\n");
}
JS

# The list is split into words on purpose.
NODE_PATH="$work/node_modules" node "$work/build.cjs" "$here" "$work" $contracts
for contract in $contracts; do
  if [ "${1:-}" = "--check" ]; then
    cmp "$work/$contract.hex" "$here/$contract.hex"
  else
    cp "$work/$contract.hex" "$here/$contract.hex"
  fi
done
