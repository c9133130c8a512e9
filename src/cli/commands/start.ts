import { command } from '../command.ts';
import { START } from '../start-options.ts';
import { keepYoungGenerationSmall } from '../young-generation.ts';

export const start = command({
  name: 'start',
  about: 'run a node in the foreground',
  options: START,
  examples: [
    'capsule start',
    'capsule start --data ./node2 --api 127.0.0.1:0 --listen /ip4/0.0.0.0/tcp/0 --capability text',
  ],
  async run(cli, options) {
    // No other command needs the node's parts.
    const onReady = keepYoungGenerationSmall();
    const { runNode } = await import('../run-node.ts');
    await runNode(cli, options, onReady);
  },
});
