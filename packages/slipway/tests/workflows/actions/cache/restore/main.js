'use strict';
require('node:fs').appendFileSync(
  process.env.GITHUB_OUTPUT,
  `cache-hit=false\ncache-primary-key=${process.env.INPUT_KEY}\n`,
);
