/** Another process on a data directory: `node holder.ts DIRECTORY`. Prints each commit's number once it is durable. */
import { pino } from 'pino';
import { openDatabase } from '../../../src/store/database.ts';
import { keyspace } from '../../../src/store/keyspaces.ts';

const [directory = ''] = process.argv.slice(2);
const left = keyspace<number>('capabilityStorage');
const right = keyspace<number>('permissions');

const db = await openDatabase({ directory, log: pino({ level: 'silent' }) });
for (let count = 0; ; count++) {
  const tx = db.transaction();
  tx.put(left, String(count), count);
  tx.put(right, String(count), count);
  await tx.commit();
  process.stdout.write(`${count}\n`);
}
