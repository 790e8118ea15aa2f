#!/usr/bin/env node
'use strict';
// A stand-in for CML where the real one cannot be fetched: the same options, the same calls of the
// API in the same order, the same watermark. CML_FOLDER makes the tests use the real one.
const fs = require('node:fs');
const https = require('node:https');

const [noun, verb, ...rest] = process.argv.slice(2);
const file = rest.pop();
const options = Object.fromEntries(rest.map((option) => option.replace(/^--/, '').split('=')));
const known = ['driver', 'publish', 'target', 'watermark-title', 'repo'];
const [kind, number] = options.target.split('/');
const unknown = Object.keys(options).some((name) => !known.includes(name));
if (noun !== 'comment' || unknown || options.publish !== 'false' || kind !== 'pr') {
  throw new Error(`not a command of the workflow: ${process.argv.slice(2)}`);
}
const repo = new URL(options.repo);

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `token ${process.env.REPO_TOKEN}` };
    const request = https.request(
      { method, hostname: repo.hostname, port: repo.port, path: `/api/v3/repos${repo.pathname}${path}`, headers },
      (response) => {
        let text = '';
        response.on('data', (part) => (text += part));
        response.on('end', () =>
          response.statusCode < 300 ? resolve(JSON.parse(text)) : reject(new Error(text)),
        );
      },
    );
    request.on('error', reject);
    request.end(body && JSON.stringify(body));
  });
}

const mark = (sha) => `![](https://cml.dev/watermark.png#${sha} "CML watermark ${options['watermark-title']}")`;

async function main() {
  const text = fs.readFileSync(file, 'utf8');
  const body = `${text}\n\n${mark(process.env.GITHUB_SHA)}`;
  let old;
  if (verb === 'update') {
    const [before, after] = mark('SHA').split('SHA');
    const comments = await call('GET', `/issues/${number}/comments`);
    old = comments.reverse().find(
      (comment) => comment.body.includes(before) && comment.body.includes(after),
    );
  }
  const answer = old
    ? await call('PATCH', `/issues/comments/${old.id}`, { body })
    : await call('POST', `/issues/${number}/comments`, { body });
  console.log(answer.html_url);
}

main().catch((error) => {
  console.error(`error: ${error.message}`);
  process.exit(1);
});
