const RFC_3339 =
  /^(\d{4}-\d{2}-\d{2})T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** Milliseconds since the epoch of an RFC 3339 instant; null for anything else, a day that does not exist included. */
export function parseInstant(text: string): number | null {
  const day = RFC_3339.exec(text)?.[1];
  if (day === undefined) return null;
  const midnight = Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(midnight) || !new Date(midnight).toISOString().startsWith(day)) return null;
  const time = Date.parse(text);
  return Number.isNaN(time) ? null : time;
}

/** One name for an issuer, which documents write as an origin or as a bare DNS name: `loanco.example`. */
export function normalizeIssuer(issuer: string): string {
  return issuer
    .toLowerCase()
    .replace(/^https?:\/\//, '')
    .replace(/\/$/, '');
}
