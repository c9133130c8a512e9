/** `capsule-mesh/archive` in Node.js: native primitives, and archives in files of any size. */

export { nodeArchiveCrypto as platformCrypto } from './crypto/node-crypto.ts';
export { type FileSource, openFileSource } from './file-source.ts';
export * from './library.ts';
