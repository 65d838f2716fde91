"""Words for what a server holds."""

from tests.cluster.api import Api, Object

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


def pods(api: Api, namespace: str) -> list[Object]:
    return api.items(f"/api/v1/namespaces/{namespace}/pods")


def pod_path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def deployment(api: Api, namespace: str, name: str) -> Object:
    return api.get(f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}")


def conditions(found: Object) -> dict[str, Object]:
    """Return the conditions of an object's status by their type."""
    return {condition["type"]: condition for condition in found.get("status", {}).get("conditions") or []}
