import { createPublicKey } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { answerUsage } from '../usage.ts';
import { check, createHost, Frames, Keys, PROTOTYPE_PROTOCOL, type Signed } from './wire.ts';

/** The executing process: verify, store, sign, store, answer. Its parent sends the other public key and ends it. */
const directory = await mkdtemp(join(tmpdir(), 'capsule-bench-'));
const store = new ClassicLevel<string, unknown>(directory, { valueEncoding: 'json' });
const keys = new Keys();
const host = await createHost(['/ip4/127.0.0.1/tcp/0']);

process.once('message', async (pem: unknown) => {
  const peerKey = createPublicKey(String(pem));
  await host.handle(PROTOTYPE_PROTOCOL, (stream) => {
    const frames = new Frames(stream, (frame) => void execute(frame as Signed));
    const execute = async (request: Signed) => {
      check(request, peerKey);
      await store.put(`capsule:${request.id}`, request, { sync: true });
      const answer = keys.sign({ request: request.id, result: request.body.payload });
      await store.put(`receipt:${answer.id}`, answer, { sync: true });
      frames.send(answer);
    };
  });
  answerUsage();
  process.send?.({
    addresses: host.getMultiaddrs().map(String),
    publicKey: keys.publicKey.export({ format: 'pem', type: 'spki' }),
  });
});

process.once('disconnect', async () => {
  await host.stop();
  await store.close();
  await rm(directory, { recursive: true, force: true });
});
