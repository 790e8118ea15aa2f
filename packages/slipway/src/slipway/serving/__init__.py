"""The service: predictions over HTTP, each logged before it is returned."""

# Environment variables of the service.
TOKENS = "SLIPWAY_TOKENS"  # accepted bearer tokens, separated by commas
LOG = "SLIPWAY_LOG"  # folder of the prediction log; overrides `serve.log` of params.yaml
SMOKE_SECRET = "SLIPWAY_SMOKE_SECRET"  # noqa: S105  marks requests of a smoke test
WORKERS = "SLIPWAY_WORKERS"  # processes; default: 1

# The proxy sends only requests with a smaller body to a candidate.
CANDIDATE_BYTES = 48 * 1024
