/** `capsule-mesh/archive` for browsers and any other host with WebCrypto; Node.js gets `node.ts` by the same name. */

export { webArchiveCrypto as platformCrypto } from './crypto/web-crypto.ts';
export * from './library.ts';
