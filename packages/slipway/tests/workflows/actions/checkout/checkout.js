'use strict';
// GIT_ORIGIN and CML_ORIGIN are the paths of the repositories on this machine.
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const input = (name) => process.env[`INPUT_${name.toUpperCase()}`] || '';
const folder = path.resolve(process.env.GITHUB_WORKSPACE, input('path'));
fs.mkdirSync(folder, { recursive: true });

if (input('repository') === 'iterative/cml') {
  if (!/^[0-9a-f]{40}$/.test(input('ref'))) throw new Error('not a commit');
  fs.cpSync(process.env.CML_ORIGIN, folder, {
    recursive: true,
    filter: (source) => path.basename(source) !== 'node_modules',
  });
} else {
  if (input('persist-credentials') !== 'false') throw new Error('the token would stay');
  const git = (...args) => execFileSync('git', args, { cwd: folder, stdio: 'inherit' });
  const event = JSON.parse(fs.readFileSync(process.env.GITHUB_EVENT_PATH, 'utf8'));
  const own = event.pull_request ? `refs/pull/${event.pull_request.number}/merge` : event.merge_group?.head_ref;
  const ref = input('ref') || own || 'refs/heads/main';
  const depth = Number(input('fetch-depth'));
  git('init', '-q');
  // The objects stay where they are: to pack and copy them would take longer than all the rest.
  const objects = path.join(process.env.GIT_ORIGIN, '.git/objects');
  fs.writeFileSync(path.join(folder, '.git/objects/info/alternates'), `${objects}\n`);
  const remotes = execFileSync('git', ['remote'], { cwd: folder, encoding: 'utf8' });
  const verb = remotes.includes('origin') ? 'set-url' : 'add';
  git('remote', verb, 'origin', `${process.env.GITHUB_SERVER_URL}/${process.env.GITHUB_REPOSITORY}`);
  const source = `file://${process.env.GIT_ORIGIN}`;
  if (depth > 0) git('fetch', '-q', `--depth=${depth}`, source, ref);
  else {
    git('fetch', '-q', source, '+refs/heads/*:refs/remotes/origin/*');
    git('fetch', '-q', source, ref);
  }
  git('checkout', '-q', '--force', '--detach', 'FETCH_HEAD');
  git('clean', '-q', '-ffdx');
  // What images are made of was fetched and unpacked before.
  if (process.env.UNPACKED) {
    fs.mkdirSync(path.join(folder, 'build/image'), { recursive: true });
    fs.symlinkSync(process.env.UNPACKED, path.join(folder, 'build/image/packages'));
  }
}
