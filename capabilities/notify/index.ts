import type { JsonObject } from '../../protocols/common/v1/schema.ts';
import type { CapabilityApi, Intent } from '../../src/engine/capability.ts';
import { actions } from '../actions.ts';
import { fail } from '../fail.ts';
import { requiredString, stringOf } from '../payload.ts';
import { postWebhook } from './webhook.ts';

type Delivery = { channel: string; status: 'delivered'; httpStatus?: number };

/** The webhook of a message that names none. */
const DEFAULT_WEBHOOK = 'default';

/** Tells somebody: in the node's log, or with a POST to a webhook that the operator named; no caller chooses an address. */
export const run = actions({ 'notify.send': send });

/** The webhook goes first: when it fails nothing was delivered, and the error says so. */
async function send(intent: Intent, api: CapabilityApi): Promise<JsonObject> {
  const { payload } = intent;
  const channels = channelsOf(payload);
  const message = requiredString(payload, 'message');
  const title = stringOf(payload, 'title') ?? null;
  const delivered: Delivery[] = [];
  if (channels.has('webhook')) {
    const webhook = stringOf(payload, 'webhook') ?? DEFAULT_WEBHOOK;
    const body = {
      title,
      message,
      data: payload.data ?? null,
      source: intent.raw,
      timestamp: intent.timestamp,
    };
    delivered.push({
      channel: 'webhook',
      status: 'delivered',
      httpStatus: await postWebhook(api.network, webhook, body),
    });
  }
  if (channels.has('log')) {
    api.log('Notification', { title, message });
    delivered.push({ channel: 'log', status: 'delivered' });
  }
  return { delivered };
}

function channelsOf({ channels = ['log'] }: JsonObject): Set<string> {
  const names = new Set<string>();
  for (const name of Array.isArray(channels) ? channels : []) {
    if (name !== 'log' && name !== 'webhook') {
      throw fail('invalid_payload', 'A channel is "log" or "webhook".');
    }
    names.add(name);
  }
  if (names.size === 0) throw fail('invalid_payload', '"channels" must name at least one channel.');
  return names;
}
