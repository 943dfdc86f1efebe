"""The Python server of MPP (pympp): `evm/charge` by EIP-3009 with x402 beside it, settled by the seller itself.

Reads RPC and PAY_TO; prints one JSON line with its address once it listens.
"""

import asyncio
import json
import os
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

from eth_abi import encode
from mpp.methods.evm import BASE_SEPOLIA_USDC, evm
from mpp.server import Mpp, Request, Response

GAS_PAYER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
# transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)
SELECTOR = "0xe3ee160e"
TYPES = ["address", "address", "uint256", "uint256", "uint256", "bytes32", "uint8", "bytes32", "bytes32"]


def rpc(method: str, params: list):
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(os.environ["RPC"], body, {"content-type": "application/json"})
    reply = json.load(urllib.request.urlopen(request))
    if "error" in reply:
        raise ValueError(reply["error"]["message"])
    return reply["result"]


def settle(authorization) -> str:
    paid = authorization.payload
    signature = bytes.fromhex(paid["signature"][2:])
    numbers = [int(paid[key]) for key in ("value", "validAfter", "validBefore")]
    nonce = bytes.fromhex(paid["nonce"][2:])
    values = [paid["from"], paid["to"], *numbers, nonce, signature[64], signature[:32], signature[32:64]]
    data = SELECTOR + encode(TYPES, values).hex()
    tx = rpc("eth_sendTransaction", [{"from": GAS_PAYER, "to": authorization.request["currency"], "data": data}])
    for _ in range(100):
        receipt = rpc("eth_getTransactionReceipt", [tx])
        if receipt and receipt["status"] == "0x1":
            return tx
        time.sleep(0.05)
    raise ValueError("it did not settle")


mpp = Mpp(
    realm="127.0.0.1",
    secret_key="a secret of thirty-two characters or more",
    methods=[evm(currency=BASE_SEPOLIA_USDC, recipient=os.environ["PAY_TO"], settle=settle)],
)
cent = mpp.evm.charge(amount="0.01", description="A page worth a cent, \"all\" of it")
sold = count(1)
PAGES = {
    "GET /cent": lambda body: {"goods": "a page worth a cent", "copy": next(sold)},
    "POST /echo": lambda body: {"goods": "an echo", "body": json.loads(body)},
}


def answer(request: Request, path: str, body: bytes) -> Response:
    if path == "/free":
        return Response.json({"goods": "free"})
    page = PAGES.get(f"{request.method} {path}")
    if page is None:
        return Response.json({"error": "no such page"}, status=404)
    paid = asyncio.run(cent(request))
    return paid.challenge if paid.status != 200 else paid.with_receipt(Response.json(page(body)))


class Handler(BaseHTTPRequestHandler):
    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        url = f"http://{self.headers['host']}{self.path}"
        request = Request(method=self.command, url=url, headers=dict(self.headers.items()), body=body or None)
        reply = answer(request, self.path, body)
        self.send_response(reply.status)
        for name, value in reply.headers.multi_items():
            self.send_header(name, value)
        body = reply.body or b""
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = serve

    def log_message(self, *_) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(json.dumps({"url": f"http://127.0.0.1:{server.server_port}"}), flush=True)
    server.serve_forever()
