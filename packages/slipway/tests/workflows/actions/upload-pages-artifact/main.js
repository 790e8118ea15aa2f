'use strict';
const fs = require('node:fs');
const path = require('node:path');

const site = process.env.INPUT_PATH;
if (!fs.existsSync(path.join(site, 'index.html'))) throw new Error(`no page in ${site}`);
fs.cpSync(site, path.join(process.env.ARTIFACTS, 'github-pages'), { recursive: true });
