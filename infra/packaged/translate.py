"""A serverless template as plain CloudFormation, by AWS's own translator: JSON in, JSON out.

Run by the interpreter of an environment that has it, since it wants an older pydantic than Darkroom.
"""

import json
import sys

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator


def main() -> None:
    template = json.load(sys.stdin)
    # Any bucket does: the translator looks at the form alone.
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            key = resource["Properties"]["CodeUri"].removeprefix("./")
            resource["Properties"]["CodeUri"] = {"Bucket": "artifacts", "Key": key}
    json.dump(Translator({}, Parser()).translate(template, {}), sys.stdout)


if __name__ == "__main__":
    main()
