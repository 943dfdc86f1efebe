"""What beancount makes of a journal: how many entries of each flag, and every balance."""

import json
import sys
from collections import Counter

from beancount import loader
from beancount.core import data, realization

entries, errors, _ = loader.load_file(sys.argv[1])
assert not errors, errors
flags = Counter(entry.flag for entry in data.filter_txns(entries))
root = realization.realize(entries)
balances = {
    account.account: account.balance.to_string(parens=False)
    for account in realization.iter_children(root, leaf_only=True)
}
print(json.dumps({"flags": dict(sorted(flags.items())), "balances": dict(sorted(balances.items()))}))
