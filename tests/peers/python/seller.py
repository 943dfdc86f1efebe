"""The reference Python seller (x402 for FastAPI) and facilitator, on two ports of one process.

Reads RPC, FACILITATOR_KEY and PAY_TO; prints one JSON line with its address once both ports listen.
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
from x402 import x402FacilitatorSync, x402ResourceServer
from x402.http import FacilitatorConfig, HTTPFacilitatorClient, PaymentOption, RouteConfig
from x402.http.middleware.fastapi import PaymentMiddlewareASGI
from x402.mechanisms.evm import FacilitatorWeb3Signer
from x402.mechanisms.evm.exact import register_exact_evm_facilitator, register_exact_evm_server
from x402.schemas.helpers import parse_payment_payload, parse_payment_requirements

NETWORK = "eip155:84532"


def facilitator() -> FastAPI:
    signer = FacilitatorWeb3Signer(private_key=os.environ["FACILITATOR_KEY"], rpc_url=os.environ["RPC"])
    schemes = register_exact_evm_facilitator(x402FacilitatorSync(), signer, NETWORK)
    app = FastAPI()

    def answer(step, body: dict) -> JSONResponse:
        payload = parse_payment_payload(body["paymentPayload"])
        requirements = parse_payment_requirements(payload.x402_version, body["paymentRequirements"])
        return as_json(step(payload, requirements))

    @app.get("/supported")
    def supported() -> JSONResponse:
        return as_json(schemes.get_supported())

    @app.post("/verify")
    def verify(body: dict) -> JSONResponse:
        return answer(schemes.verify, body)

    @app.post("/settle")
    def settle(body: dict) -> JSONResponse:
        return answer(schemes.settle, body)

    return app


def seller(facilitator_url: str) -> FastAPI:
    resources = x402ResourceServer(HTTPFacilitatorClient(FacilitatorConfig(url=facilitator_url)))
    register_exact_evm_server(resources, NETWORK)
    cent = PaymentOption(scheme="exact", network=NETWORK, pay_to=os.environ["PAY_TO"], price="$0.01")
    route = RouteConfig(accepts=[cent], description="A page worth a cent", mime_type="application/json")
    app = FastAPI()
    routes = {"GET /cent": route, "POST /echo": route, "GET /broken": route}
    app.add_middleware(PaymentMiddlewareASGI, routes=routes, server=resources)
    sold = count(1)

    @app.get("/free")
    async def free() -> dict:
        return {"goods": "free"}

    @app.get("/cent")
    async def a_cent() -> dict:
        return {"goods": "a page worth a cent", "copy": next(sold)}

    @app.post("/echo")
    async def echo(request: Request) -> dict:
        return {"goods": "an echo", "body": await request.json()}

    @app.get("/broken")
    async def broken() -> JSONResponse:
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
