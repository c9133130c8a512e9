/*
 * A node as `capsule start` runs it, which can also be told to die: by the message `{ dieAt, occurrence }` from the
 * process that started it. That is kept out of the product. Usage: `node run-node.ts <data directory> <config file>`.
 */
import { writeSync } from 'node:fs';
import { loadConfig } from '../../src/daemon/config.ts';
import { loadOrCreateIdentity } from '../../src/daemon/identity-file.ts';
import { createNode } from '../../src/daemon/node.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import { type FaultPoints, killAt } from '../../src/lib/fault-points.ts';
import { createLogger } from '../../src/telemetry/log.ts';

export interface DieAt {
  dieAt: string;
  /** From 1. */
  occurrence: number;
}

/** Armed at any time; says on standard error where it dies, since SIGKILL leaves no other trace. */
class ArmedFaults implements FaultPoints {
  #name: string | undefined;
  #left = 0;

  arm({ dieAt, occurrence }: DieAt): void {
    this.#name = dieAt;
    this.#left = occurrence;
  }

  hit(name: string): void {
    if (name !== this.#name || --this.#left > 0) return;
    writeSync(process.stderr.fd, `${diesAt(name)}\n`);
    killAt(name).hit(name);
  }
}

export function diesAt(name: string): string {
  return `Dies at ${name}.`;
}

async function main(dataDirectory: string, file: string): Promise<void> {
  const faults = new ArmedFaults();
  process.on('message', (order: DieAt) => {
    faults.arm(order);
    process.send?.('armed');
  });
  process.channel?.unref();
  const { config } = await loadConfig({ env: process.env, dataDirectory, file });
  const identity = await loadOrCreateIdentity(config.data.directory, { crypto: nodeCrypto });
  const log = createLogger({ level: config.log.level, pretty: false });
  const node = await createNode({ config, identity, log, faults });
  const { promise: stopRequested, resolve } = Promise.withResolvers<void>();
  process.once('SIGTERM', () => resolve());
  await node.start();
  process.stdout.write(`${JSON.stringify(node.info())}\n`);
  await stopRequested;
  await node.stop();
}

const [, , dataDirectory, file] = process.argv;
if (import.meta.main && dataDirectory !== undefined && file !== undefined) await main(dataDirectory, file);
