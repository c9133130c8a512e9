/** What a browser may do with an answer. A route says which with `config.policy`; without a word it is `nothing`. */
export const POLICIES = {
  /** Data, and whatever comes from archives or other nodes: it runs, loads and submits nothing, in an origin of its own. */
  nothing: "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox",
  /** The console's own files: scripts and styles that this node serves, none in the page, no `eval`, no text made markup. */
  console: [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; '),
} as const;

export type Policy = keyof typeof POLICIES;
