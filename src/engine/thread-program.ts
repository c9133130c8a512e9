/**
 * The program of a thread that runs capabilities, in the language that this one is in. Here, because the bundle puts this
 * file into a folder of the same depth (scripts/bundle.ts), from where the same path leads to it.
 */
export const THREAD_PROGRAM = new URL(
  `../engine/runners/threads/thread.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`,
  import.meta.url,
);
