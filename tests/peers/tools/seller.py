"""MCP servers whose tools are paid by x402 and by MPP, as the reference libraries for Python make them, and the reference
facilitator for both. `seller.py http` serves them over streamable HTTP, `seller.py x402` and `seller.py mpp` one of them
over stdio.

Reads RPC, FACILITATOR_KEY and PAY_TO; over stdio FACILITATOR in place of the first two. Over HTTP it prints one JSON line
with its addresses.
"""

import asyncio
import json
import os
import socket
import sys
import threading
import time
from itertools import count

import uvicorn
from mcp import types
from mcp.server.fastmcp import FastMCP
from mpp.extensions.mcp import PaymentRequiredError, verify_or_challenge
from mpp.methods.evm import BASE_SEPOLIA_USDC
from mpp.methods.evm import server as evm
from mpp.server import Mpp
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import Route
from x402 import x402FacilitatorSync, x402ResourceServer
from x402.http import FacilitatorConfig, HTTPFacilitatorClient
from x402.mcp import create_payment_wrapper
from x402.mechanisms.evm import FacilitatorWeb3Signer
from x402.mechanisms.evm.exact import register_exact_evm_facilitator, register_exact_evm_server
from x402.schemas import ResourceConfig
from x402.schemas.helpers import parse_payment_payload, parse_payment_requirements

NETWORK = "eip155:84532"
PAY_TO = os.environ["PAY_TO"]
sold = count(1)


def facilitator() -> Starlette:
    signer = FacilitatorWeb3Signer(private_key=os.environ["FACILITATOR_KEY"], rpc_url=os.environ["RPC"])
    schemes = register_exact_evm_facilitator(x402FacilitatorSync(), signer, NETWORK)
    # The library's signer counts its own transactions, one at a time.
    one_at_a_time = asyncio.Lock()

    def as_json(answer) -> JSONResponse:
        return JSONResponse(json.loads(answer.model_dump_json(by_alias=True, exclude_none=True)))

    async def supported(_request) -> JSONResponse:
        return as_json(schemes.get_supported())

    def step(does):
        async def answer(request) -> JSONResponse:
            body = await request.json()
            payload = parse_payment_payload(body["paymentPayload"])
            requirements = parse_payment_requirements(payload.x402_version, body["paymentRequirements"])
            async with one_at_a_time:
                return as_json(await run_in_threadpool(does, payload, requirements))

        return answer

    return Starlette(
        routes=[
            Route("/supported", supported),
            Route("/verify", step(schemes.verify), methods=["POST"]),
            Route("/settle", step(schemes.settle), methods=["POST"]),
        ]
    )


def plain(server: FastMCP) -> None:
    @server.tool()
    async def hello() -> str:
        """A greeting, free of charge."""
        return "hello"


def by_x402(facilitator_url: str, **how) -> FastMCP:
    resources = x402ResourceServer(HTTPFacilitatorClient(FacilitatorConfig(url=facilitator_url)))
    register_exact_evm_server(resources, NETWORK)
    resources.initialize()

    def paid(price: str):
        config = ResourceConfig(scheme="exact", network=NETWORK, pay_to=PAY_TO, price=price, max_timeout_seconds=60)
        return create_payment_wrapper(resources, accepts=resources.build_payment_requirements(config))

    server = FastMCP("x402", **how)
    plain(server)

    @server.tool()
    @paid("$0.01")
    async def weather(city: str = "Bern") -> str:
        """Weather in a city."""
        return json.dumps({"city": city, "copy": next(sold)})

    @server.tool()
    @paid("$0.01")
    async def broken() -> str:
        """Fails after it was paid for."""
        raise RuntimeError("backend down")

    @server.tool()
    @paid("$5.00")
    async def dear() -> str:
        """More than anybody here may pay."""
        return "dear"

    @server.tool()
    @paid("$0.20")
    async def asked() -> str:
        """The owner is asked about it."""
        return "asked"

    @server.resource("rig://about")
    def about() -> str:
        """What this is."""
        return "a rig"

    @server.prompt()
    def ask(city: str) -> str:
        """How to ask for weather."""
        return f"What is the weather in {city}?"

    return server


def by_mpp(facilitator_url: str, **how) -> FastMCP:
    charge = evm.charge(
        currency=BASE_SEPOLIA_USDC, recipient=PAY_TO, facilitator=facilitator_url, route_binding="resource"
    )
    mpp = Mpp(methods=charge, realm="rig-mcp-mpp", secret_key="a secret of at least thirty-two bytes")
    server = FastMCP("mpp", **how)
    plain(server)

    @server.tool()
    async def weather(city: str = "Bern") -> str:
        """Weather in a city."""
        return json.dumps({"city": city, "copy": next(sold)})

    @server.tool()
    async def broken() -> str:
        """Fails after it was paid for."""
        raise RuntimeError("backend down")

    # The framework leaves no other way to answer a call with an error that has a challenge in it.
    inner = server._mcp_server.request_handlers[types.CallToolRequest]

    async def handle(request: types.CallToolRequest):
        if request.params.name == "hello":
            return await inner(request)
        meta = request.params.meta.model_dump() if request.params.meta else {}
        held = await verify_or_challenge(mpp.charge(amount="0.01"), tool=request.params.name, meta=meta)
        if isinstance(held, list):
            raise PaymentRequiredError(challenges=held)
        result = (await inner(request)).root
        result.meta = {**(result.meta or {}), **held[1].to_meta()}
        return types.ServerResult(result)

    server._mcp_server.request_handlers[types.CallToolRequest] = handle
    return server


def serve(app) -> str:
    listener = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True).start()
    while not running.started:
        time.sleep(0.02)
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


if sys.argv[1] == "http":
    facilitates = serve(facilitator())
    ours = {
        "facilitator": facilitates,
        "x402": serve(by_x402(facilitates).streamable_http_app()) + "/mcp",
        "x402_json": serve(by_x402(facilitates, json_response=True, stateless_http=True).streamable_http_app()) + "/mcp",
        "x402_old": serve(by_x402(facilitates).sse_app()) + "/sse",
        "mpp": serve(by_mpp(facilitates).streamable_http_app()) + "/mcp",
    }
    print(json.dumps({"url": facilitates, **ours}), flush=True)
    threading.Event().wait()
else:
    make = {"x402": by_x402, "mpp": by_mpp}[sys.argv[1]]
    make(os.environ["FACILITATOR"]).run("stdio")
