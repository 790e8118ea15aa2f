"""What the workflows in `.github/workflows` do, beyond calling the steps of the loop.

============== ==================================================================
`runner`       outputs, annotations and the summary: how a job says something
`gate`         may the pull request be merged, by the results of all its jobs
`tell`         a run's report as job summary, HTML and artifact
`api`          the little of GitHub's API that is needed
`bind`         which pull request a finished run belongs to
`artifact`     the report of a run, which may be untrusted
`dangers`      what a pull request touches of what is protected, by GitHub's own account
`comment`      one comment for each pull request, written and updated by CML
`own_comment`  which comment is ours, and which commit it is about
`placeholder`  what it shows while the newest commit has no verdict
`lock`         commit a rebuilt lock to the branch of a pull request
`pick`         which commit a run releases: it must be on the default branch
`review`       what was reviewed: a commit's pull request, and its last report
`history`      what was released before: the commit that a release is judged against
`registry`     the registry for images, and the way in
`handover`     the image for the next jobs, if it holds what was verified
`host`         where an environment is, and the key to it
`deployment`   GitHub's own record of what runs where, kept true
`release`      a GitHub Release for what reached production
`show`         what the drift check of a job found, in its summary
`watch`        the one drift issue: opened, changed, closed
`issue`        how that is found again, and written
`evidence`     a drift report as a document, for issue and pull request
`causes`       from what moved to the next step
`foreign`      untrusted text, escaped for Markdown
`owner`        who is to look
`retrain`      start a retrain run because of drift, if it may
`propose`      the one pull request of the retrain run
`images`       the one pull request that renews the digests of pinned images
`branch`       put files on its branch without losing anybody's work
============== ==================================================================

`runner`, `gate`, `pick` and `placeholder` need nothing but Python, so they run at once.
"""
