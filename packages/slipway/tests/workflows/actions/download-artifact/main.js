'use strict';
const fs = require('node:fs');
const path = require('node:path');

const input = (name) => process.env[`INPUT_${name.toUpperCase()}`] || '';
const folder = path.join(process.env.ARTIFACTS, input('name'));
if (!fs.existsSync(folder)) throw new Error(`Artifact not found for name: ${input('name')}`);
fs.cpSync(folder, path.resolve(process.env.GITHUB_WORKSPACE, input('path')), { recursive: true });
