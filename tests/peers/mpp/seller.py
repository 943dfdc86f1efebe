"""The reference Python MPP seller (pympp) of pages paid by EIP-3009, which it takes to the chain itself.

Of each page there are two: `/mpp` asks by MPP alone, `/both` by MPP and x402, of wallets that know nothing of mppx.
Reads RPC, FACILITATOR_KEY and PAY_TO; prints one JSON line with its address.
"""

import asyncio
import json
import os
import socket
import threading
import time
from itertools import count

import httpx
import uvicorn
from eth_abi import encode
from eth_account import Account
from eth_utils import keccak
from mpp.methods.evm import BASE_SEPOLIA_USDC
from mpp.methods.evm import server as evm
from mpp.server import Mpp
from mpp.server.decorator import to_framework_response, to_request
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

CENT = "0.01"
TYPES = ["address", "address", "uint256", "uint256", "uint256", "bytes32", "uint8", "bytes32", "bytes32"]
SELECTOR = keccak(text=f"transferWithAuthorization({','.join(TYPES)})")[:4]
FACILITATOR = Account.from_key(os.environ["FACILITATOR_KEY"])


async def rpc(method: str, *params):
    async with httpx.AsyncClient() as http:
        asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = (await http.post(os.environ["RPC"], json=asked)).json()
    if "error" in answer:
        raise RuntimeError(f"{method}: {answer['error']['message']}")
    return answer["result"]


async def settle(authorization) -> str:
    said, signature = authorization.payload, bytes.fromhex(authorization.payload["signature"][2:])
    numbers = [int(said[name]) for name in ("value", "validAfter", "validBefore")]
    nonce = bytes.fromhex(said["nonce"][2:])
    signed = [signature[64], signature[:32], signature[32:64]]
    call = SELECTOR + encode(TYPES, [said["from"], said["to"], *numbers, nonce, *signed])
    to = authorization.request["currency"]
    gas = await rpc("eth_estimateGas", {"from": FACILITATOR.address, "to": to, "data": f"0x{call.hex()}"})
    sent = int(await rpc("eth_getTransactionCount", FACILITATOR.address, "pending"), 16)
    fee = 2 * int(await rpc("eth_gasPrice"), 16)
    transaction = {"type": 2, "chainId": BASE_SEPOLIA_USDC.chain_id, "nonce": sent, "to": to, "value": 0, "data": call}
    fees = {"gas": int(gas, 16), "maxFeePerGas": fee, "maxPriorityFeePerGas": fee}
    raw = FACILITATOR.sign_transaction({**transaction, **fees}).raw_transaction
    reference = await rpc("eth_sendRawTransaction", f"0x{raw.hex()}")
    while not (receipt := await rpc("eth_getTransactionReceipt", reference)):
        await asyncio.sleep(0.02)
    if receipt["status"] != "0x1":
        raise RuntimeError(f"{reference} was reverted")
    return reference


mpp = Mpp(
    methods=evm.charge(
        currency=BASE_SEPOLIA_USDC, recipient=os.environ["PAY_TO"], settle=settle, route_binding="resource"
    ),
    realm="127.0.0.1",
    secret_key="a secret of at least thirty-two bytes",
)
sold = count(1)


async def a_cent(_request) -> JSONResponse:
    return JSONResponse({"goods": "a page worth a cent", "copy": next(sold)})


async def echo(request) -> JSONResponse:
    return JSONResponse({"goods": "an echo", "body": await request.json()})


async def broken(_request) -> JSONResponse:
    return JSONResponse({"error": "out of goods"}, status_code=500)


async def free(_request) -> JSONResponse:
    return JSONResponse({"goods": "free"})


def priced(page):
    """What MPP charges for is paid before the page is made."""
    charge = mpp.charge(amount=CENT)

    async def paid(request):
        result = await charge(await to_request(request))
        if result.status == 200:
            return result.with_receipt(await page(request))
        response = to_framework_response(result.challenge)
        if request.url.path.startswith("/mpp/") and "payment-required" in response.headers:
            del response.headers["payment-required"]
        return response

    return paid


def pages(way: str) -> list[Route]:
    methods = {"/cent": (a_cent, "GET"), "/echo": (echo, "POST"), "/broken": (broken, "GET")}
    return [Route(f"/{way}{path}", priced(page), methods=[method]) for path, (page, method) in methods.items()]


def serve(app) -> str:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


if __name__ == "__main__":
    app = Starlette(routes=[Route("/free", free), *pages("mpp"), *pages("both")])
    print(json.dumps({"url": serve(app)}), flush=True)
    threading.Event().wait()
