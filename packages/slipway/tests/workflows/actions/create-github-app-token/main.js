'use strict';
const fs = require('node:fs');

if (!process.env['INPUT_PRIVATE-KEY'].includes('PRIVATE KEY')) throw new Error('no private key');
fs.appendFileSync(process.env.GITHUB_OUTPUT, 'token=token-of-the-app\napp-slug=slipway-of-team\n');
