/**
 * The programs of threads that run capabilities, in the language that this one is in. Here, because the bundle puts this
 * file into a folder of the same depth (scripts/bundle.ts), from where the same path leads to them.
 */
const program = (path: string): URL =>
  new URL(`../engine/runners/${path}.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);

export const THREAD_PROGRAM = program('threads/thread');
export const WASM_THREAD_PROGRAM = program('wasm/wasm-thread');
