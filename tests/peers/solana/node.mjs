// A chain of Solana's and its nodes, on one port: each path is a node of its own (/a, /b, ...), and under /hook/ the tests
// say what happens. Reads CLUSTER (devnet or mainnet) and TICK_MS; prints one JSON line with its address.

import http from "node:http";
import { Cluster, BLOCK_MS } from "./cluster.mjs";
import { Node, RpcError, asJson } from "./rpc.mjs";
import { CLUSTERS, accountOf, memo, mintData, mints, opens, tokenAccount } from "./token.mjs";
import { make, newKey, read, signerOf } from "./transaction.mjs";

const { CLUSTER = "devnet", TICK_MS = `${BLOCK_MS}` } = process.env;
const { genesis, tokens } = CLUSTERS[CLUSTER];
const DECIMALS = 6;
const SYSTEM = "11111111111111111111111111111111";

const cluster = new Cluster();
const nodes = new Map();
const treasury = await signerOf(newKey()); // makes tokens and pays for that
giveSol(treasury.address, 1_000_000_000_000n);
for (const token of Object.values(tokens)) placeMint(token);

function node(name) {
  if (!nodes.has(name)) nodes.set(name, new Node(cluster, genesis));
  return nodes.get(name);
}

function giveSol(address, lamports) {
  cluster.place(address, { lamports: BigInt(lamports), data: Buffer.alloc(0), owner: SYSTEM });
}

function placeMint({ mint, program, decimals = DECIMALS }) {
  cluster.place(mint, { lamports: cluster.rent(82), data: mintData(treasury.address, decimals), owner: program });
}

/** What is known of a token by its mint. */
function tokenOf(mint) {
  const { owner: program, data } = cluster.account(mint);
  return { mint, program, decimals: data[44] };
}

const HOOKS = {
  tip: () => described(cluster.tip),
  tick: ({ ms }) => cluster.tick(ms),
  advance({ blocks, ms }) {
    cluster.advance(blocks, ms);
    return described(cluster.tip);
  },

  mint: placeMint,
  sol: ({ address, lamports }) => giveSol(address, lamports),
  /** Makes tokens for an owner by a transaction like any other, in a block of its own. */
  async fund({ owner, mint, amount, note }) {
    const token = tokenOf(mint);
    const account = await accountOf(owner, token);
    const instructions = [opens({ payer: treasury, owner, account, token }), mints({ authority: treasury, account, amount, token })];
    if (note) instructions.push(memo(note));
    const sent = await make({ feePayer: treasury, blockhash: cluster.tip.hash, instructions });
    return { account, ...land(read(Buffer.from(sent, "base64"))) };
  },
  async balance({ owner, mint }) {
    const account = await accountOf(owner, tokenOf(mint));
    const content = cluster.account(account);
    return { account, amount: `${content ? tokenAccount(content).amount : 0n}` };
  },
  lamports: ({ address }) => `${cluster.account(address)?.lamports ?? 0n}`,

  /** What becomes of the next transactions: "drop", "hold" (until release) or "fail". */
  next: ({ what, count }) => cluster.onNext(what, count),
  release: () => cluster.release(),

  /** How a node is from now on: lag, history, silent, genesis. */
  node: ({ name, ...changes }) => node(name).set(changes),
  /** What nodes were asked, and when. */
  calls: () => Object.fromEntries([...nodes].map(([name, { calls }]) => [name, calls])),
  "reset-calls": () => nodes.forEach((each) => (each.calls = [])),

  /** Every transaction there is, oldest first. */
  transactions: () => [...cluster.bySignature.values()].map(({ signature, err, block, transaction, units }) =>
    ({ signature, err, slot: block.slot, height: block.height, units, id: transaction.id, keys: transaction.keys,
       signers: transaction.signers, memos: transaction.memos.map(String) })),
};

function land(transaction) {
  cluster.send(transaction);
  cluster.advance(1, 0);
  const landed = cluster.bySignature.get(transaction.signature);
  if (!landed || landed.err) throw new Error(`a transaction of the rig's own did not land: ${JSON.stringify(landed?.err)}`);
  return { signature: landed.signature, slot: landed.block.slot };
}

const described = ({ height, slot, time, hash }) => ({ height, slot, time, hash });

function reply({ id = null, method, params }, name) {
  try {
    return { jsonrpc: "2.0", id, result: node(name).answer(method, params) };
  } catch (error) {
    if (!(error instanceof RpcError)) console.error(method, JSON.stringify(params), error);
    const { code = -32603, message, data } = error;
    return { jsonrpc: "2.0", id, error: { code, message, ...(data && { data }) } };
  }
}

async function serve(request, response) {
  const [, first, hook] = request.url.split("/");
  const body = JSON.parse(Buffer.concat(await request.toArray()).toString() || "{}");
  const send = (text) => response.writeHead(200, { "content-type": "application/json" }).end(text);
  if (first === "hook") return send(JSON.stringify((await HOOKS[hook](body)) ?? null));
  const { silent } = node(first);
  if (silent === "hangs") return undefined;
  if (silent) return response.destroy();
  return send(asJson(Array.isArray(body) ? body.map((each) => reply(each, first)) : reply(body, first)));
}

const server = http.createServer((request, response) =>
  serve(request, response).catch((error) => {
    console.error(error);
    response.writeHead(400).end(JSON.stringify({ error: error.message }));
  }));
server.listen(0, "127.0.0.1", () => {
  cluster.tick(Number(TICK_MS));
  console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` }));
});
