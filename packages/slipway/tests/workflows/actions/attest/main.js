'use strict';
const fs = require('node:fs');
const path = require('node:path');

const input = (name) => process.env[`INPUT_${name.toUpperCase()}`] || '';
if (!/^sha256:[0-9a-f]{64}$/.test(input('subject-digest'))) throw new Error('not a digest');
if (!input('subject-name') || /[@\s]/.test(input('subject-name'))) throw new Error('not a name');
// Else the job would need one more permission.
if (input('create-storage-record') !== 'false') throw new Error('artifact-metadata: write is missing');
const sbom = input('sbom-path') && JSON.parse(fs.readFileSync(input('sbom-path'), 'utf8'));
const attestation = { image: `${input('subject-name')}@${input('subject-digest')}`, sbom: sbom ? sbom.bomFormat : '' };
const file = path.join(process.env.ARTIFACTS, 'attestations.jsonl');
fs.appendFileSync(file, `${JSON.stringify(attestation)}\n`);
