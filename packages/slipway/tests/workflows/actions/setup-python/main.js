'use strict';
// `make setup` finds .venv ready: to install it again in every job would take minutes.
const fs = require('node:fs');
const path = require('node:path');

const workspace = process.env.GITHUB_WORKSPACE;
const venv = path.join(workspace, '.venv');
fs.mkdirSync(venv, { recursive: true });
fs.symlinkSync(process.env.TESTS_BIN, path.join(venv, 'bin'));
fs.writeFileSync(path.join(venv, 'ready'), '');
// The commands of that environment, and the code that was checked out here.
const code = ['src', 'packages/slipway/src'].map((folder) => path.join(workspace, folder));
fs.appendFileSync(process.env.GITHUB_ENV, `PYTHONPATH=${code.join(path.delimiter)}\n`);
const wanted = fs.readFileSync(path.join(workspace, '.python-version'), 'utf8').trim();
fs.appendFileSync(process.env.GITHUB_OUTPUT, `python-version=${wanted}.9\n`);
