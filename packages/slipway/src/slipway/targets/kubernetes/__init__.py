"""A Kubernetes namespace as a target: the current context of kubectl, a Lease, a Deployment."""
