import { Option } from 'commander';
import { hexId } from '../../ids.ts';
import { flag, negation, type Opt, option, required, several, usually, type Values } from '../../option.ts';
import { amount, BOUNDS, DATA, integer, JSON_ONLY, NODE } from '../../options.ts';

/** What `chain` may be asked to show at the most. */
const MOST_EVENTS = 1_000_000;

const key = option('<file>', 'a recipient’s private key, for an encrypted capsule');
const signer = several('<role:keyfile>', 'sign in this role with this private key; repeatable');
const allowlistFile = option('<file>', 'trust the keys in this file, one a line');
const outFile: Opt<string | undefined> = (name) =>
  new Option(`-o, --${name} <file>`, 'where to write the archive');

/** Of everything that writes an archive. */
const WRITING = { out: required(outFile), force: flag('replace a file that is there') };
/** Of everything that seals one. */
const SEALING = {
  ...WRITING,
  signer,
  recipient: several('<key>', 'encrypt to this recipient key, or file with it; repeatable'),
  event: several('<json>', 'append this event, or @FILE; repeatable'),
  pith: negation('leave summaries and statements as they are written'),
  at: option('<time>', 'sealing time, such as 2026-01-31T12:00:00Z (default: now)'),
};

/** Of what looks into an archive and says nothing about whether it is genuine. */
export const LOOK = {
  ...BOUNDS,
  key: option('<file>', 'a recipient’s private key, to look into encrypted content'),
  ...JSON_ONLY,
};
export type LookOptions = Values<typeof LOOK>;
export const CHAIN = { ...LOOK, limit: option('<n>', 'only the first n', integer(0, MOST_EVENTS)) };
export const EXTRACT = {
  ...LOOK,
  force: flag('also into one that is not empty; files of the same name are replaced'),
};

export const VERIFY = {
  ...BOUNDS,
  allowlist: several('<key>', 'trust this signer: a public key, 64 hex characters; repeatable'),
  allowlistFile,
  requireTrusted: flag('fail unless a trusted key has signed'),
  strict: flag('fail on what is otherwise a warning'),
  key: option('<file>', 'a recipient’s private key: verify the encrypted content as well'),
  policy: option('<file>', 'fail unless the signers meet this policy (JSON)'),
  signers: several('<file>', 'keys with their lifecycle, for the policy (JSON); repeatable'),
  attestation: several('<file>', 'a statement on who a signer is (JSON); repeatable'),
  trustRoot: several('<issuer=key>', 'believe attestations of this issuer, by this key; repeatable'),
  ...JSON_ONLY,
};

export const KEYGEN = {
  out: option('<dir>', 'write LABEL.public.hex, LABEL.private.hex and LABEL.recipient.hex there'),
  label: option('<name>', 'name of those files (default: capsule)'),
  force: flag('replace key files that are there'),
  ...JSON_ONLY,
};

export const SEAL = {
  ...SEALING,
  workflow: option('<id>', 'seal this workflow of the running node instead of a folder', hexId),
  title: option('<text>', 'heading of the program.md that is written where the folder has none'),
  author: option('<label>', 'what the originator is called'),
  actor: usually(option('<actor>', 'who it is, such as human:alice or ai:gemma'), 'human:originator'),
  signedSkill: several('<skill>', 'mark this skill as signed; repeatable'),
  exclude: several('<file>', 'leave out this file or folder of the folder; repeatable'),
  ...NODE,
};
export type SealOptions = Values<typeof SEAL>;

export const APPEND = {
  ...BOUNDS,
  ...SEALING,
  key,
  participant: several('<json>', 'add {actor_id, role, label}, or @FILE; repeatable'),
  program: option('<file>', 'replace program.md'),
  ...DATA,
};

export const DECRYPT = {
  ...BOUNDS,
  ...WRITING,
  key: required(option('<file>', 'a recipient’s private key')),
  ...JSON_ONLY,
};

export const HYDRATE = {
  ...BOUNDS,
  out: outFile,
  force: flag('replace a file that is there'),
  capability: usually(option('<name>', 'who is asked'), 'ai.chat'),
  task: option('<text>', 'what is asked (default: what was done, what is open, what is next)'),
  print: flag('print what the model would see, and stop; no node needed'),
  key,
  allowlist: several('<key>', 'trust this signer: its signed skills become instructions; repeatable'),
  allowlistFile,
  signer,
  on: option('<node>', 'only this node may answer; needed for an encrypted capsule'),
  pay: option('<n>', 'credits offered for it', amount),
  ...NODE,
};
export type HydrateOptions = Values<typeof HYDRATE>;
