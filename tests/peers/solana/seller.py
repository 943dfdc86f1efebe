"""The reference Python seller (x402 for FastAPI) and facilitator on Solana, on two ports of one process.

Reads RPC, FACILITATOR_KEY, PAY_TO and NETWORK; prints one JSON line with its address once both ports listen.
"""

import json
import os
import socket
import threading
import time
from itertools import count

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from solders.keypair import Keypair
from x402 import x402FacilitatorSync, x402ResourceServer
from x402.http import FacilitatorConfig, HTTPFacilitatorClient, PaymentOption, RouteConfig
from x402.http.middleware.fastapi import PaymentMiddlewareASGI
from x402.mechanisms.svm import FacilitatorKeypairSigner
from x402.mechanisms.svm.exact import register_exact_svm_facilitator, register_exact_svm_server
from x402.schemas.helpers import parse_payment_payload, parse_payment_requirements

NETWORK = os.environ["NETWORK"]
MEMO = "bestellt in Zürich"


def facilitator() -> FastAPI:
    key = Keypair.from_bytes(bytes(json.loads(os.environ["FACILITATOR_KEY"])))
    signer = FacilitatorKeypairSigner(key, rpc_url=f"{os.environ['RPC']}/f")
    schemes = register_exact_svm_facilitator(x402FacilitatorSync(), signer, NETWORK)
    app = FastAPI()

    def answer(step, body: dict) -> JSONResponse:
        payload = parse_payment_payload(body["paymentPayload"])
        requirements = parse_payment_requirements(payload.x402_version, body["paymentRequirements"])
        return as_json(step(payload, requirements))

    app.get("/supported")(lambda: as_json(schemes.get_supported()))

    @app.post("/verify")
    def verify(body: dict) -> JSONResponse:
        return answer(schemes.verify, body)

    @app.post("/settle")
    def settle(body: dict) -> JSONResponse:
        return answer(schemes.settle, body)

    return app


def seller(facilitator_url: str) -> FastAPI:
    app = FastAPI()
    # The one that hints says in its 402 which block to build on.
    ways = {"plain": ({}, None), "memo": ({"memo": MEMO}, None), "hint": ({}, f"{os.environ['RPC']}/s")}
    for way, (extra, rpc_url) in ways.items():
        resources = x402ResourceServer(HTTPFacilitatorClient(FacilitatorConfig(url=facilitator_url)))
        register_exact_svm_server(resources, NETWORK, rpc_url=rpc_url)
        cent = PaymentOption(scheme="exact", network=NETWORK, pay_to=os.environ["PAY_TO"], price="$0.01", extra=extra)
        route = RouteConfig(accepts=[cent], description="A page worth a cent", mime_type="application/json")
        routes = {f"GET /{way}/cent": route, f"POST /{way}/echo": route, f"GET /{way}/broken": route}
        app.add_middleware(PaymentMiddlewareASGI, routes=routes, server=resources)
    sold = count(1)

    @app.get("/{way}/cent")
    async def a_cent(way: str) -> dict:
        return {"goods": "a page worth a cent", "copy": next(sold)}

    @app.post("/{way}/echo")
    async def echo(way: str, request: Request) -> dict:
        return {"goods": "an echo", "body": await request.json()}

    @app.get("/{way}/broken")
    async def broken(way: str) -> JSONResponse:
        return JSONResponse({"error": "out of goods"}, status_code=500)

    return app


def as_json(model) -> JSONResponse:
    return JSONResponse(model.model_dump(by_alias=True, exclude_none=True, mode="json"))


def serve(app: FastAPI) -> str:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


if __name__ == "__main__":
    print(json.dumps({"url": serve(seller(serve(facilitator())))}), flush=True)
    threading.Event().wait()
