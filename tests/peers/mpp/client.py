"""The reference Python MPP client (pympp): pays one page and says what it got. Reads URL, METHOD, BODY and PAYER_KEY."""

import asyncio
import base64
import json
import os

from eth_account import Account
from mpp.client import Mpp
from mpp.methods.evm import BASE_SEPOLIA_USDC
from mpp.methods.evm import client as evm


async def main() -> None:
    account = Account.from_key(os.environ["PAYER_KEY"])
    method = evm.charge(currency=BASE_SEPOLIA_USDC, account=account, max_amount="0.01")
    sent = {"method": os.environ.get("METHOD", "GET")}
    if body := os.environ.get("BODY"):
        sent.update(content=body, headers={"content-type": "application/json"})
    async with Mpp(methods=[method]) as mpp:
        reply = await mpp.fetch(os.environ["URL"], **sent)
    receipt = reply.headers.get("payment-receipt")
    read = receipt and json.loads(base64.urlsafe_b64decode(receipt + "=" * (-len(receipt) % 4)))
    print(json.dumps({"status": reply.status_code, "body": reply.json(), "receipt": read}))


asyncio.run(main())
