import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import { type CapsuleOptions, createCapsule, signCapsule } from '../../src/capsule/capsule.ts';
import type { NodeInfo } from '../../src/daemon/node.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createSigner } from '../../src/lib/crypto.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import type { RoundTrips, Usage } from './measure.ts';
import { type BenchNode, startBenchNode } from './node-process.ts';
import { BenchProcess, ownUsage } from './usage.ts';

export interface Pipeline extends RoundTrips {
  submitterUsage(): Usage;
  executorUsage(): Promise<Usage>;
}

/**
 * Two complete nodes in two processes: a round trip signs a capsule and submits it to one node, has it executed by
 * the other with receipt and durable store, and ends when the accepted result is durable.
 */
export async function startPipeline(payload: JsonObject): Promise<Pipeline> {
  const url = new URL('./executor-process.ts', import.meta.url);
  const executor = await BenchProcess.begin<NodeInfo>(url);
  const submitter = await startBenchNode({ echo: false, bootstrap: executor.ready.addresses });
  const { roundTrip, end } = submitting(submitter, echoing(payload));
  return {
    roundTrip,
    usage: () => executor.usage(),
    submitterUsage: ownUsage,
    executorUsage: () => executor.otherUsage(),
    async stop() {
      end();
      await executor.stop();
      await submitter.stop();
    },
  };
}

/** The `count`th order of a benchmark, each of them another. */
export type Ordering = (count: number) => Pick<CapsuleOptions, 'requestedCapability' | 'payload'>;

const echoing =
  (payload: JsonObject): Ordering =>
  (count) => ({ requestedCapability: 'test.echo', payload: { ...payload, count } });

/** One node that executes what it submits. */
export async function startLocal(payload: JsonObject): Promise<RoundTrips> {
  return localTrips(await startBenchNode({ echo: true }), echoing(payload));
}

/** The same with a node that is there, which it stops. */
export function localTrips(bench: BenchNode, ordering: Ordering): RoundTrips {
  const { roundTrip, end } = submitting(bench, ordering);
  return {
    roundTrip,
    usage: async () => ownUsage(),
    async stop() {
      end();
      await bench.stop();
    },
  };
}

function submitting({ node, seed }: BenchNode, ordering: Ordering) {
  const signer = createSigner(nodeCrypto, seed);
  const waiting = new Map<string, (failure: Error | null) => void>();
  const end = node.exchange.follow((event) => {
    if (event.type !== 'done') return;
    waiting.get(event.capsuleId)?.(event.error === null ? null : new Error(event.error.message));
    waiting.delete(event.capsuleId);
  });
  let count = 0;
  const roundTrip = async (): Promise<void> => {
    const draft = createCapsule({ originIdentity: signer.identity, ...ordering(count++) }, systemClock);
    const capsule = signCapsule(signer, nodeCrypto, draft);
    const ended = new Promise<void>((resolve, reject) => {
      waiting.set(capsule.id, (failure) => (failure === null ? resolve() : reject(failure)));
    });
    await node.exchange.submit(capsule, { signedHere: true });
    await ended;
  };
  return { roundTrip, end };
}
