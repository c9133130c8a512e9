import pino from 'pino';
import type { Capsule } from '../../protocols/capsule/v1/schema.ts';
import { createCapsule, signCapsule } from '../../src/capsule/capsule.ts';
import { nodeIdOf } from '../../src/capsule/identity.ts';
import { loadOrCreateIdentity } from '../../src/daemon/identity-file.ts';
import { DEFAULT_EXCHANGE_INIT } from '../../src/exchange/components.ts';
import type { Event } from '../../src/exchange/machine/event.ts';
import { step } from '../../src/exchange/machine/machine.ts';
import type { Life, State } from '../../src/exchange/machine/state.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createSigner, type Signer } from '../../src/lib/crypto.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import { DatabaseCapsuleStore } from '../../src/store/capsule-store.ts';
import { openDatabase } from '../../src/store/database.ts';

const BATCH = 500;
const PAYLOAD = { text: 'x'.repeat(960) };

/** Makes capsules for `test.echo`, each unlike the others. */
export function signing(seed: Uint8Array): { signer: Signer; sign: (count: number) => Capsule } {
  const signer = createSigner(nodeCrypto, seed);
  const fields = { originIdentity: signer.identity, requestedCapability: 'test.echo' };
  const sign = (count: number) =>
    signCapsule(
      signer,
      nodeCrypto,
      createCapsule({ ...fields, payload: { ...PAYLOAD, count } }, systemClock),
    );
  return { signer, sign };
}

/**
 * Gives a node's directory a store. Those that have ended were cancelled; of the unfinished a third waits for a provider, a
 * third runs at a node that is not there, and a third was about to run here: the machine's own rows, without the work.
 */
export async function fillStore(
  directory: string,
  { ended, unfinished = 0 }: { ended: number; unfinished?: number },
): Promise<void> {
  const { seed } = await loadOrCreateIdentity(directory, { crypto: nodeCrypto });
  const db = await openDatabase({ directory, log: pino({ level: 'silent' }), clock: systemClock });
  const capsules = await DatabaseCapsuleStore.open<Life>({ db, clock: systemClock });
  const { signer, sign } = signing(seed);
  const makers = [waiting, elsewhere, here];
  for (let stored = 0; stored < ended + unfinished; stored += BATCH) {
    const tx = db.transaction();
    for (let count = stored; count < Math.min(stored + BATCH, ended + unfinished); count++) {
      const capsule = sign(count);
      const make = count < ended ? cancelled : (makers[count % makers.length] ?? waiting);
      capsules.putCapsule(tx, capsule);
      capsules.add(tx, after(signer, capsule, make(capsule, signer)));
    }
    await tx.commit();
  }
  await db.close();
}

function after({ identity }: Signer, capsule: Capsule, events: readonly Event[]): State {
  const setting = {
    self: nodeIdOf(identity),
    identity,
    now: systemClock.now(),
    limits: DEFAULT_EXCHANGE_INIT,
  };
  const submitted: Event = { type: 'submitted', capsule, root: capsule.id, only: null };
  let { state } = step(undefined, capsule, submitted, setting);
  for (const event of events) ({ state } = step(state, capsule, event, setting));
  return state;
}

const NOBODY = { code: 'no_provider', message: 'Nobody offers it.' } as const;
const ELSEWHERE = nodeIdOf(createSigner(nodeCrypto, nodeCrypto.randomBytes(32)).identity);

function cancelled(): Event[] {
  return [{ type: 'cancel' }];
}

function waiting(): Event[] {
  return [{ type: 'chosen', ranking: [], local: null, nobody: NOBODY, hopeless: false }];
}

function elsewhere(): Event[] {
  return [choice(ELSEWHERE), { type: 'accepted', from: ELSEWHERE, epoch: 1 }];
}

function here(_: Capsule, { identity }: Signer): Event[] {
  return [choice(nodeIdOf(identity))];
}

function choice(nodeId: string): Event {
  const ranking = [{ nodeId, price: 0, idempotent: true, proven: true }];
  return { type: 'chosen', ranking, local: null, nobody: NOBODY, hopeless: false };
}
