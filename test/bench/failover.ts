import { createCapsule, signCapsule } from '../../src/capsule/capsule.ts';
import type { NodeInfo } from '../../src/daemon/node.ts';
import { DEFAULT_EXCHANGE_INIT } from '../../src/exchange/components.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createSigner } from '../../src/lib/crypto.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import type { Figure } from './figures.ts';
import { median } from './measure.ts';
import { type BenchNode, startBenchNode } from './node-process.ts';
import { BenchProcess } from './usage.ts';

/*
 * How long work stands still whose provider is gone, with the durations that nodes have by default. Running elsewhere:
 * the next provider's code has said so.
 */

const KILLED = 3;
const { heartbeatMs, graceMs } = DEFAULT_EXCHANGE_INIT;
const SILENCE_MS = 2 * heartbeatMs + graceMs;
/** The middle between two signs of life: where it stops by chance, that is what to expect. */
const BEFORE_SILENCE_MS = heartbeatMs / 2;

export async function failoverFigures(): Promise<Figure[]> {
  const submitter = await startBenchNode({ echo: false });
  const killed: number[] = [];
  for (let round = 0; round < KILLED; round++) killed.push(await failover(submitter, 'SIGKILL', 0));
  const vanished = await failover(submitter, 'SIGSTOP', BEFORE_SILENCE_MS);
  await submitter.stop();
  const beyond = killed.map((ms) => (ms - graceMs) / 1000);
  return [
    {
      name: 'provider killed to running elsewhere, beyond the grace (s)',
      value: median(beyond),
      atMost: 1,
      detail: beyond.map((seconds) => seconds.toFixed(3)).join(', '),
    },
    {
      name: 'provider vanished without a word, over two heartbeats and the grace',
      value: vanished / SILENCE_MS,
      atMost: 1,
      detail: `${vanished.toFixed(0)} ms over ${SILENCE_MS} ms`,
    },
  ];
}

/** Milliseconds from the signal to the provider until the other one runs it. */
async function failover(submitter: BenchNode, signal: NodeJS.Signals, afterMs: number): Promise<number> {
  const { node, seed } = submitter;
  const url = new URL('./executor-process.ts', import.meta.url);
  const args = node.info().addresses;
  const providers = [
    await BenchProcess.begin<NodeInfo>(url, { args }),
    await BenchProcess.begin<NodeInfo>(url, { args }),
  ];
  const signer = createSigner(nodeCrypto, seed);
  const fields = { originIdentity: signer.identity, requestedCapability: 'test.hang', payload: {} };
  const capsule = signCapsule(signer, nodeCrypto, createCapsule(fields, systemClock));
  const first = running(submitter, capsule.id, 0);
  await node.exchange.submit(capsule);
  const epoch = await first;
  await new Promise((resolve) => setTimeout(resolve, afterMs));
  const holder = (await node.exchange.view(capsule.id))?.executor;
  const gone = providers.find(({ ready }) => ready.nodeId === holder);
  if (gone === undefined) throw new Error('Neither provider has the capsule');
  const next = running(submitter, capsule.id, epoch);
  const begun = performance.now();
  gone.child.kill(signal);
  await next;
  const elapsed = performance.now() - begun;
  await node.exchange.cancel(capsule.id);
  gone.child.kill('SIGKILL');
  for (const provider of providers) if (provider !== gone) await provider.stop();
  return elapsed;
}

/** Resolves with the epoch of the first run after another that has said something. */
function running({ node }: BenchNode, capsuleId: string, after: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const end = node.exchange.follow(
      (event) => {
        if (event.type === 'done') reject(new Error(event.error?.message));
        else if (event.type === 'progress' && event.epoch > after) resolve(event.epoch);
        else return;
        queueMicrotask(() => end());
      },
      { capsuleId },
    );
  });
}
