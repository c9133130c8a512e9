import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import type { ServiceMap } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { createLibp2p, type Libp2p, type Libp2pOptions } from 'libp2p';

/** A libp2p peer of nobody, which keeps to none of the mesh's rules; it may choose the address that it dials from. */
export function stranger<T extends ServiceMap = ServiceMap>(
  options: Libp2pOptions<T> = {},
  dialOpts: { localAddress?: string } = {},
): Promise<Libp2p<T>> {
  return createLibp2p<T>({
    transports: [tcp({ dialOpts: { noDelay: true, ...dialOpts } })],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    ...options,
  });
}
