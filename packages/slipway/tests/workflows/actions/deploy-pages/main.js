'use strict';
const fs = require('node:fs');
const path = require('node:path');

if (!fs.existsSync(path.join(process.env.ARTIFACTS, 'github-pages'))) throw new Error('no artifact');
console.log('published');
fs.appendFileSync(process.env.GITHUB_OUTPUT, 'page_url=https://team.github.io/flights/\n');
