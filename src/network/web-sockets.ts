import type { IncomingMessage } from 'node:http';
import type { CreateListenerOptions, Listener, Transport } from '@libp2p/interface';
import { webSockets } from '@libp2p/websockets';

type Create = ReturnType<typeof webSockets>;
type Verify = (info: { req: IncomingMessage }) => boolean;

/**
 * WebSockets that no page of another site can open. A browser lets any page connect to any address, this machine's and
 * the private network's included, and says by `Origin` whose page it is; programs send none. `origins` are those that may.
 */
export function guardedWebSockets(origins: readonly string[]): Create {
  const allowed = new Set(origins);
  const verify: Verify = ({ req: { headers } }) =>
    headers.origin === undefined || allowed.has(headers.origin);
  const create = webSockets();
  return (components) => {
    const transport: Transport = create(components);
    const createListener = transport.createListener.bind(transport);
    transport.createListener = (options: CreateListenerOptions) => {
      const listener = createListener(options);
      guard(listener, verify);
      return listener;
    };
    return transport;
  };
}

/** Tells the `ws` server inside, which asks `verifyClient` before it upgrades. Throws where there is none: never unguarded. */
function guard(listener: Listener, verifyClient: Verify): void {
  const options: unknown = 'wsServer' in listener && Reflect.get(Object(listener.wsServer), 'options');
  if (typeof options !== 'object' || options === null || !('verifyClient' in options)) {
    throw new Error('The WebSocket listener has no place to check origins.');
  }
  Object.assign(options, { verifyClient });
}
