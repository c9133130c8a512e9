import { startBenchNode } from './node-process.ts';
import { answerUsage } from './usage.ts';

/** A node that executes for a bench; its parent ends it by disconnecting. Arguments: addresses to connect to. */
const { node, stop } = await startBenchNode({ echo: true, bootstrap: process.argv.slice(2) });
answerUsage();
process.send?.(node.info());
process.once('disconnect', () => void stop());
