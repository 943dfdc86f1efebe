"""The reference client for Python, `x402` with httpx: a line `ID URL` on stdin is bought, and `ID STATUS` printed."""

import asyncio
import os
import sys

from eth_account import Account
from x402 import x402Client
from x402.http.clients import x402HttpxClient
from x402.mechanisms.evm import EthAccountSigner
from x402.mechanisms.evm.exact.register import register_exact_evm_client


async def buy(http, name: str, url: str) -> None:
    reply = await http.get(url)
    await reply.aread()
    print(name, reply.status_code, flush=True)


async def main() -> None:
    client = x402Client()
    register_exact_evm_client(client, EthAccountSigner(Account.from_key(os.environ["RIVAL_KEY"])))
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    under_way = set()
    async with x402HttpxClient(client) as http:
        while line := await lines.readline():
            task = asyncio.create_task(buy(http, *line.decode().split()))
            under_way.add(task)
            task.add_done_callback(under_way.discard)


asyncio.run(main())
