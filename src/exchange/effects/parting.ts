import type { Clock } from '../../lib/clock.ts';
import type { Peers } from './peers.ts';

/** Tells of each node whose connection stays lost for so long. Returns the end of it. */
export function parting(
  { peers, clock }: { peers: Peers; clock: Pick<Clock, 'after'> },
  nodes: Iterable<string>,
  patienceMs: number,
  tell: (node: string) => void,
): () => void {
  const ends: (() => void)[] = [];
  for (const node of nodes) {
    let cancelTimer = (): void => {};
    const disconnected = (): void => {
      cancelTimer();
      cancelTimer = clock.after(patienceMs, () => tell(node));
    };
    ends.push(peers.listen(node, { connected: () => cancelTimer(), disconnected }), () => cancelTimer());
    if (!peers.isConnected(node)) disconnected();
  }
  return () => {
    for (const end of ends) end();
  };
}
