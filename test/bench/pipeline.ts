import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { createCapsule, signCapsule } from '../../src/capsule/capsule.ts';
import type { NodeInfo } from '../../src/daemon/node.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createSigner } from '../../src/lib/crypto.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import type { RoundTrips } from './measure.ts';
import { startBenchNode } from './node-process.ts';

/**
 * Two complete nodes in two processes: a round trip signs a capsule and submits it to one node, has it executed by
 * the other with receipt and durable store, and ends when the accepted result is durable.
 */
export async function startPipeline(payload: JsonObject): Promise<RoundTrips> {
  const child = fork(new URL('./executor-process.ts', import.meta.url), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [executor] = (await once(child, 'message')) as [NodeInfo];
  const { node, seed, stop } = await startBenchNode({ echo: false, bootstrap: executor.addresses });
  const signer = createSigner(nodeCrypto, seed);
  const waiting = new Map<string, (failure: Error | null) => void>();
  const unfollow = node.exchange.follow((event) => {
    if (event.type !== 'done') return;
    waiting.get(event.capsuleId)?.(event.error === null ? null : new Error(event.error.message));
    waiting.delete(event.capsuleId);
  });
  let count = 0;
  return {
    async roundTrip() {
      const draft = createCapsule(
        {
          originIdentity: signer.identity,
          requestedCapability: 'test.echo',
          payload: { ...payload, count: count++ },
        },
        systemClock,
      );
      const capsule = signCapsule(signer, nodeCrypto, draft);
      const ended = new Promise<void>((resolve, reject) => {
        waiting.set(capsule.id, (failure) => (failure === null ? resolve() : reject(failure)));
      });
      await node.exchange.submit(capsule, { signedHere: true });
      await ended;
    },
    async stop() {
      unfollow();
      const exited = once(child, 'exit');
      child.disconnect();
      await exited;
      await stop();
    },
  };
}
