import { createPublicKey } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { multiaddr } from '@multiformats/multiaddr';
import { ClassicLevel } from 'classic-level';
import type { RoundTrips } from '../measure.ts';
import { BenchProcess } from '../usage.ts';
import { check, createHost, Frames, Keys, PROTOTYPE_PROTOCOL, type Signed } from './wire.ts';

/** Starts the bare prototype; each round trip signs, stores, sends, and verifies and stores the answer. */
export async function startPrototype(payload: Record<string, unknown>): Promise<RoundTrips> {
  const directory = await mkdtemp(join(tmpdir(), 'capsule-bench-'));
  const store = new ClassicLevel<string, unknown>(directory, { valueEncoding: 'json' });
  const keys = new Keys();
  const host = await createHost([]);
  const executor = await BenchProcess.begin<{ addresses: string[]; publicKey: string }>(
    new URL('./executor.ts', import.meta.url),
    { first: String(keys.publicKey.export({ format: 'pem', type: 'spki' })) },
  );
  const { ready } = executor;
  const peerKey = createPublicKey(ready.publicKey);
  const stream = await host.dialProtocol(multiaddr(ready.addresses[0]), PROTOTYPE_PROTOCOL);
  const waiting = new Map<unknown, (answer: Signed) => void>();
  const frames = new Frames(stream, (frame) => {
    const answer = frame as Signed;
    waiting.get(answer.body.request)?.(answer);
    waiting.delete(answer.body.request);
  });
  let count = 0;
  return {
    async roundTrip() {
      const request = keys.sign({ count: count++, timestamp: Date.now(), payload });
      await store.put(`capsule:${request.id}`, request, { sync: true });
      const answered = new Promise<Signed>((resolve) => waiting.set(request.id, resolve));
      frames.send(request);
      const answer = await answered;
      check(answer, peerKey);
      await store.put(`result:${request.id}`, answer, { sync: true });
    },
    usage: () => executor.usage(),
    async stop() {
      await executor.stop();
      await host.stop();
      await store.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
