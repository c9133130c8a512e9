import { startBenchNode } from './node-process.ts';

/** The executing node of the pipeline bench; its parent ends it by disconnecting. */
const { node, stop } = await startBenchNode({ echo: true });
process.send?.(node.info());
process.once('disconnect', () => void stop());
