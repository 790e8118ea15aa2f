'use strict';
// One file is stored under its own name, several under their paths: as the real one does.
const fs = require('node:fs');
const path = require('node:path');

const input = (name) => process.env[`INPUT_${name.toUpperCase()}`] || '';
const paths = input('path').split('\n').map((line) => line.trim()).filter(Boolean);
const found = paths.filter((name) => fs.existsSync(name));
if (!found.length) {
  if (input('if-no-files-found') === 'error') throw new Error(`no files: ${paths}`);
} else {
  const folder = path.join(process.env.ARTIFACTS, input('name'));
  fs.rmSync(folder, { recursive: true, force: true });
  for (const name of found) {
    const target = paths.length === 1 ? path.basename(name) : path.normalize(name);
    fs.cpSync(name, path.join(folder, target), { recursive: true });
  }
}
