"""The service: rows in over HTTP, predictions out, each one written down before it leaves.

============= =====================================================================
`service`     the BentoML service, named in `bentofile.yaml`: starts and stops the rest
`connections` limits on connections, headers and the time of a request
`api`         the endpoints: a request becomes an answer
`guard`       who may ask, and in which form
`predict`     rows to answers and records
`review`      which answers a person should look at
`log`         writing the prediction log (`slipway.records` reads it)
`metrics`     what `/metrics` shows
`release`     which model file, which commit, which data
`start`       starting it, from the command line or from Python
`supervisor`  how often BentoML looks whether its workers run
============= =====================================================================
"""

# What the environment of the service may say.
TOKENS = "SLIPWAY_TOKENS"  # secrets, separated by commas: who sends one of them may ask
LOG = "SLIPWAY_LOG"  # folder of the prediction log, before `serve.log` of params.yaml
SMOKE_SECRET = "SLIPWAY_SMOKE_SECRET"  # noqa: S105  marks requests of a smoke test: no traffic
WORKERS = "SLIPWAY_WORKERS"  # processes; one if not given
