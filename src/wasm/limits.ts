/* What a module that comes with an order may have. */

/** Bytes of the module: as base64 it still fits into a capsule, with its input. */
export const MAX_MODULE_BYTES = 524_288;
/** Bytes of one page of memory, as WebAssembly has them. */
export const PAGE_BYTES = 65_536;
/** Pages of the module's memory where the order says nothing; the same everywhere, for the result may depend on it: 16 MiB. */
export const DEFAULT_MEMORY_PAGES = 256;
/** Pages that an order may ask for at all: the 4 GiB that 32 bits address. */
export const MAX_MEMORY_PAGES = 65_536;
/** Milliseconds of one run where the order says nothing. */
export const DEFAULT_TIME_MS = 5_000;
/** What the operator lets an order ask for, unless told: 64 MiB, ten seconds. */
export const OPERATOR_LIMITS = { maxMemoryPages: 1_024, maxTimeMs: 10_000 } as const;
