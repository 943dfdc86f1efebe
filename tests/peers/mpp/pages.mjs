// The pages of the sellers here, the same by every way to be asked for money: `/WAY/PAGE`. Prints one JSON line with the
// seller's address once it listens.

import http from "node:http";

let sold = 0;
const PAGES = {
  "GET /cent": () => Response.json({ goods: "a page worth a cent", copy: (sold += 1) }),
  "POST /echo": async (request) => Response.json({ goods: "an echo", body: await request.json() }),
  "GET /broken": () => Response.json({ error: "out of goods" }, { status: 500 }),
};

/** What MPP charges for is paid before the page is made. */
async function answer(ways, request) {
  const { pathname } = new URL(request.url);
  if (pathname === "/free") return Response.json({ goods: "free" });
  const [, way, page] = pathname.match(/^\/(\w+)(\/\w+)$/) ?? [];
  const make = PAGES[`${request.method} ${page}`];
  if (!make || !ways[way]) return Response.json({ error: "no such page" }, { status: 404 });
  const result = await ways[way](request.clone());
  return result.status === 402 ? result.challenge : result.withReceipt(await make(request));
}

export function sell(ways) {
  const server = http.createServer(async (incoming, outgoing) => {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const { method, url, headers } = incoming;
    const body = chunks.length ? Buffer.concat(chunks) : undefined;
    const request = new Request(`http://${headers.host}${url}`, { method, headers: new Headers(Object.entries(headers)), body });
    const reply = await answer(ways, request).catch((error) => Response.json({ error: `${error}` }, { status: 500 }));
    outgoing.writeHead(reply.status, [...reply.headers].flat());
    outgoing.end(Buffer.from(await reply.arrayBuffer()));
  });
  server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })));
}
