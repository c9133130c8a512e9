import type { Logger } from 'pino';
import { type SpawnSource, signChild } from '../capsule/derive.ts';
import type { Crypto, Signer } from '../lib/crypto.ts';
import { toErrorBody } from '../lib/errors.ts';
import type { Step } from './machine/event.ts';

/** What becomes of a finished capsule's next steps, signed by this node (protocol "Next steps"). */
export function stepsOf(
  { crypto, signer, log }: { crypto: Crypto; signer: Signer; log: Logger },
  source: Omit<SpawnSource, 'step'>,
): Step[] {
  return (source.parent.next ?? []).map((_, step): Step => {
    try {
      return { capsule: signChild(crypto, { ...source, step }, signer) };
    } catch (thrown) {
      const error = toErrorBody(thrown);
      log.warn({ capsuleId: source.parent.id, step, error }, 'A next step could not be made');
      return { error };
    }
  });
}
