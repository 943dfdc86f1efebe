"""What the JSON Schema of a policy says of the shipped policies and of the wrong ones: a list of errors for each."""

import json
import sys
import tomllib
from pathlib import Path

from jsonschema import Draft7Validator

shipped, wrong = map(Path, sys.argv[1:])
schema = json.loads((shipped / "policy.schema.json").read_text())
Draft7Validator.check_schema(schema)
validator = Draft7Validator(schema)


def errors(folder):
    read = {file.name: tomllib.loads(file.read_text()) for file in sorted(folder.glob("*.toml"))}
    return {name: [error.message for error in validator.iter_errors(policy)] for name, policy in read.items()}


print(json.dumps({"shipped": errors(shipped), "wrong": errors(wrong)}))
