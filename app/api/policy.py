"""The policy: the whole document, read, written, and looked at before it is written."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from app.api import document
from app.api.operation import JSON, Operation, Query, operation
from app.desk import Desk
from app.policy import Policy
from app.wire import Outcome

POLICY_LIMIT = 1 << 20  # bytes
YAML = "application/yaml"  # RFC 9512
_READERS = {
    JSON: document.read_json,
    YAML: document.read_yaml,
    "application/x-yaml": document.read_yaml,
    "text/yaml": document.read_yaml,
}
_WRITERS = {JSON: document.write_json, YAML: document.write_yaml}


class ReplaceMode(Query):
    """How the policy is replaced."""

    dry_run: bool = Field(False, description="Change nothing; say what would change.")


class Difference(BaseModel):
    """What one endpoint would get another value of."""

    model_config = ConfigDict(frozen=True)

    endpoint: str
    field: str
    before: object = Field(alias="from")
    after: object = Field(alias="to")


class Preview(BaseModel):
    """What a policy would change."""

    model_config = ConfigDict(frozen=True)

    changes: Sequence[Difference]


def operations(desk: Desk) -> list[Operation]:
    """What is asked about the policy, and done to it."""

    def get_policy() -> Policy:
        """What people want now. In YAML with `Accept: application/yaml`."""
        return desk.policy

    def replace_policy(query: ReplaceMode, body: Policy) -> Outcome | Preview:
        """This is the whole policy now; what it does not say is gone."""
        if query.dry_run:
            return Preview(changes=[Difference.model_validate(each) for each in desk.preview(body)])
        return desk.replace_policy(body)

    return [
        operation("GET", "/v1/policy", get_policy, writers=_WRITERS),
        operation("PUT", "/v1/policy", replace_policy, limit=POLICY_LIMIT, readers=_READERS),
    ]
