import type { ErrorCode } from '../../protocols/common/v1/errors.ts';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { NetworkApi } from '../../src/engine/capability.ts';
import { fail } from '../fail.ts';

/**
 * POSTs JSON and gives the HTTP status, 200 to 299. Another status fails with a code of its own; a webhook that is not
 * there or not reachable fails with the code of the network API. `source` names the capsule, so that a receiver
 * can tell a repeated delivery.
 */
export async function postWebhook(
  network: NetworkApi,
  name: string,
  body: JsonObject & { source: string },
): Promise<number> {
  const { status } = await network.webhook(name, {
    headers: { 'content-type': 'application/json', 'idempotency-key': body.source },
    body: JSON.stringify(body),
  });
  if (status >= 200 && status < 300) return status;
  throw fail(codeOf(status), `The webhook ${name} refused the message with status ${status}.`);
}

function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 403) return 'permission_denied';
  if (status === 404 || status === 410) return 'not_found';
  if (status === 429) return 'rate_limited';
  return status < 500 ? 'invalid_payload' : 'unreachable';
}
