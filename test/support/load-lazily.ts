/**
 * Loads a capability's folder as a node does and calls it, once for each argument after the folder; prints what each gave.
 * A program, because tests load modules in a way of their own.
 */
import { argv } from 'node:process';
import { CodeFolder } from '../../src/engine/code-folder.ts';
import { loadCode } from '../../src/engine/code-loading.ts';
import { describeFailure } from '../../src/engine/failure.ts';
import { nodeCrypto } from '../../src/lib/crypto-node.ts';
import { intentOf, memoryApi } from './capability-api.ts';

const [, , folder = '', ...words] = argv;
const read = await CodeFolder.read(folder, nodeCrypto);
const code = await loadCode(read.code, read.hash);
const answers: unknown[] = [];
for (const word of words) {
  const { api } = memoryApi();
  answers.push(
    await code
      .run(intentOf('unit.run', { word }), api)
      .catch((error: unknown) => describeFailure(error).code),
  );
}
console.log(JSON.stringify(answers));
