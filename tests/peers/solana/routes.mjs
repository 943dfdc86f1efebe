// Every page at which a payment is tried, on each cluster.

export const MEMO = "order 4711, für Zoë";
const PYTHONS = "bestellt in Zürich";
/** Memos that are not ours to choose. */
export const SELLERS = [MEMO, PYTHONS];

export const devnet = ({ v2, v1, py }) => [
  { url: `${v2}/plain/cent` },
  { url: `${v2}/plain/echo`, method: "POST" },
  { url: `${v2}/plain/broken`, settles: false },
  { url: `${v2}/memo/cent`, memo: MEMO },
  { url: `${v2}/hint/cent`, hints: true },
  { url: `${v2}/hint-memo/cent`, hints: true, memo: MEMO },
  { url: `${v2}/upfront/cent` },
  { url: `${v2}/upfront/broken`, takesFirst: true },
  { url: `${v1}/v1/cent`, v1: true },
  { url: `${v1}/v1/echo`, v1: true, method: "POST" },
  { url: `${v1}/v1/broken`, v1: true, settles: false },
  { url: `${py}/plain/cent?python` },
  { url: `${py}/plain/echo?python`, method: "POST" },
  { url: `${py}/plain/broken?python`, settles: false },
  { url: `${py}/memo/cent?python`, memo: PYTHONS },
  { url: `${py}/hint/cent?python`, hints: true },
];

export const mainnet = ({ v2, v1 }) => [
  { url: `${v2}/plain/cent` },
  { url: `${v2}/pyusd/cent`, token: "PYUSD" },
  { url: `${v1}/v1/cent`, v1: true },
  { url: `${v1}/v1-pyusd/cent`, v1: true, token: "PYUSD" },
];
