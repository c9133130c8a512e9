import { parentPort, workerData } from 'node:worker_threads';
import { type Order, work } from './work.ts';

/* The program of a thread of its own (`apart.ts`): one order, one answer. */

const order: Order = workerData;
parentPort?.postMessage(await work(order));
