import { leaseToTell } from '../../capsule/assignment.ts';
import { MeshError } from '../../lib/errors.ts';
import type { ExchangeComponents, ExchangeInit } from '../components.ts';
import type { Performer } from './performers.ts';
import { proofsOf } from './proofs.ts';

type Components = Pick<
  ExchangeComponents,
  'network' | 'clock' | 'signer' | 'crypto' | 'db' | 'capsules' | 'health' | 'faults' | 'log'
>;

/** Sends the capsule with its lease, and says when that could not be, or was not answered in time. */
export function orderPerformer(
  components: Components,
  { acceptTimeoutMs }: Pick<ExchangeInit, 'acceptTimeoutMs'>,
): Performer<'order'> {
  const { network, clock, signer, crypto, health, faults, log } = components;
  return ({ to, lease }, { capsule, state, raise }) => {
    const { epoch } = lease;
    const assignment = leaseToTell(signer, crypto, capsule, lease);
    const proofs = proofsOf(components, state().root, capsule);
    let over = false;
    let cancelTimer = (): void => {};
    const order = {
      type: 'capsule_data',
      capsule,
      assignment,
      ...(proofs.length > 0 && { proofs }),
    } as const;
    health.attempted(to, capsule.requestedCapability);
    network
      .send(to, order)
      .then(
        () => {
          faults.hit('order.sent');
          // Counted from here on: dialling has a limit of its own.
          if (!over) cancelTimer = clock.after(acceptTimeoutMs, () => raise({ type: 'silent', epoch }));
        },
        (error: unknown) => {
          if (over) return;
          const code = error instanceof MeshError ? error.code : 'unreachable';
          // Handed over and then broken: it may have come.
          if (code === 'interrupted') return raise({ type: 'silent', epoch });
          if (code !== 'too_large') return raise({ type: 'unreachable', epoch });
          const message = 'The capsule with its proofs is larger than a message may be.';
          raise({ type: 'declined', from: to, epoch, error: { code, message }, retryAfterMs: 0 });
        },
      )
      .catch((error: unknown) =>
        log.error({ capsuleId: capsule.id, err: error }, 'An order is not followed'),
      );
    return () => {
      over = true;
      cancelTimer();
    };
  };
}
