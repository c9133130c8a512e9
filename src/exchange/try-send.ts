import type { ExchangeMessage } from '../../protocols/messages/v1/schema.ts';
import type { ExchangeComponents } from './components.ts';

/**
 * Sends what has a remedy when it is lost: a timer, a question or a redelivery. Resolves with whether the transport
 * took it; never rejects.
 */
export async function trySend(
  { network, log }: Pick<ExchangeComponents, 'network' | 'log'>,
  to: string,
  message: ExchangeMessage,
): Promise<boolean> {
  try {
    await network.send(to, message);
    return true;
  } catch (error) {
    log.debug({ to, type: message.type, err: error }, 'Message not sent');
    return false;
  }
}
