#!/bin/sh
# Rebuilds PlayDollar.hex (runtime code) from PlayDollar.sol: the same compiler and settings give the same bytes.
# Needs node and npm; the compiler is fetched into a temporary directory. Run it only after changing the source.
# `contracts/build.sh --check` writes nothing and fails if the committed code differs.
set -eu
solc=0.8.37
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm install --silent --no-audit --no-fund --prefix "$work" "solc@$solc" >/dev/null

cat >"$work/build.cjs" <<'JS'
const fs = require("fs");
const solc = require("solc");
const settings = {
  optimizer: { enabled: true, runs: 200 },
  evmVersion: "paris", // no opcode newer than every chain and test node knows
  metadata: { appendCBOR: false, bytecodeHash: "none" }, // nothing but code, so a comment does not change the bytes
  outputSelection: { "*": { "*": ["evm.deployedBytecode.object"] } },
};
const sources = { "PlayDollar.sol": { content: fs.readFileSync(process.argv[2], "utf8") } };
const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));
for (const e of output.errors ?? []) console.error(e.formattedMessage);
const code = output.contracts?.["PlayDollar.sol"]?.PlayDollar?.evm.deployedBytecode.object;
if (!code) process.exit(1);
process.stdout.write(code + "\n");
JS

NODE_PATH="$work/node_modules" node "$work/build.cjs" "$here/PlayDollar.sol" >"$work/PlayDollar.hex"
if [ "${1:-}" = "--check" ]; then
  cmp "$work/PlayDollar.hex" "$here/PlayDollar.hex"
else
  cp "$work/PlayDollar.hex" "$here/PlayDollar.hex"
fi
