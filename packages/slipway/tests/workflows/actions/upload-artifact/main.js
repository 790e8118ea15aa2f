'use strict';
// One file is stored under its own name, several under their paths below the folder that they
// share: as the real one does.
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
  const shared = paths.map((name) => path.dirname(path.normalize(name)).split(path.sep)).reduce(
    (left, right) => left.slice(0, left.findIndex((part, at) => part !== right[at]) >>> 0),
  );
  for (const name of found) fs.cpSync(name, path.join(folder, path.relative(shared.join(path.sep), name)), { recursive: true });
}
