"""Expands a SAM template as CloudFormation would, and lints what comes out.

    template.py expand < template.yaml    the plain template, as JSON
    template.py lint < template.yaml      what is wrong with it, a JSON list of lines; empty where nothing is
"""

import json
import os
import sys
import warnings

# The translator asks for a region where nobody set one; it calls no service.
os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
warnings.simplefilter("ignore")

from samtranslator.public.exceptions import InvalidDocumentException
from samtranslator.translator.transform import transform
from samtranslator.validator.validator import SamTemplateValidator
from samtranslator.yaml_helper import yaml_parse

# Where a deployment would have put the functions' folders.
CODE_BUCKET = "code"

# Where all that the template asks for must exist.
REGIONS = ["us-east-1", "eu-central-1"]


class NoManagedPolicies:
    """Fails where SAM would add policies that the template does not name."""

    def load(self):
        raise AssertionError("SAM asks for managed policies: give the function a role")


def parse(text: str) -> dict:
    """The template, its functions' code being where a deployment puts it."""
    template = yaml_parse(text)
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = f"s3://{CODE_BUCKET}/{name}.zip"
    return template


def expand(text: str) -> dict:
    """Plain CloudFormation."""
    parameters = {"AWS::Region": "us-east-1", "AWS::Partition": "aws"}
    return transform(parse(text), parameters, NoManagedPolicies())


def complaints(text: str) -> list[str]:
    """SAM's own schema, then its expansion, then cfn-lint: errors, warnings and hints."""
    template = parse(text)
    # SAM's schema does not know this section, which SAM hands on as it is; cfn-lint looks at it below.
    template.pop("Rules", None)
    found = [f"SAM: {line}" for line in SamTemplateValidator().get_errors(template)]
    try:
        expanded = expand(text)
    except InvalidDocumentException as error:
        return found + [f"SAM: {cause.message}" for cause in error.causes]
    # Here, because it takes a second and only this command needs it.
    from cfnlint.api import lint
    from cfnlint.config import ManualArgs

    config = ManualArgs(regions=REGIONS, include_checks=["I"])
    matches = lint(json.dumps(expanded), config=config)
    return found + [f"{match.rule.id}: {'/'.join(map(str, match.path))}: {match.message}" for match in matches]


def main() -> None:
    text = sys.stdin.read()
    answer = {"expand": expand, "lint": complaints}[sys.argv[1]](text)
    json.dump(answer, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
