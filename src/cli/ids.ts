import { InvalidArgumentError } from 'commander';
import type { Receipt } from '../../protocols/receipt/v1/schema.ts';
import { MeshError } from '../lib/errors.ts';
import type { CapsuleRow, Page } from '../store/types.ts';
import type { ApiClient } from './api-client.ts';
import { CliError, usage } from './failure.ts';

/** Candidates that are listed where a short form means several. */
const LISTED = 10;
/** Pages that are looked through for a short form: the newest 100,000 capsules, the newest 10,000 receipts. */
const PAGES = 20;
const PAGE = 500;
const WHOLE_ID = /^[0-9a-f]{64}$/;
/** Peer ids of Ed25519, secp256k1 and RSA keys in base58. */
const WHOLE_NODE =
  /^(?:12D3KooW[1-9A-HJ-NP-Za-km-z]{44}|16Uiu2[1-9A-HJ-NP-Za-km-z]{48}|Qm[1-9A-HJ-NP-Za-km-z]{44})$/;

/** How an id was typed: whole, its beginning (`3fa1`, `3fa1…`) or its end as tables print it (`…9c02`, `...9c02`). */
export interface ShortId {
  kind: 'beginning' | 'end';
  text: string;
}

function shortId(typed: string): ShortId {
  const text = typed.replace(/^(?:…|\.{2,3})/, '');
  if (text !== typed) return { kind: 'end', text };
  return { kind: 'beginning', text: typed.replace(/(?:…|\.{2,3})$/, '') };
}

const isMeant = ({ kind, text }: ShortId, id: string): boolean =>
  kind === 'end' ? id.endsWith(text) : id.startsWith(text);

/** For arguments that are the id of a capsule or a receipt: what could be one, whole or short. */
export function hexId(typed: string): string {
  const { text } = shortId(typed);
  if (/^[0-9a-f]{1,64}$/.test(text)) return typed;
  if (/\.capsule$|\//.test(typed))
    throw new InvalidArgumentError(`It is the name of a file. Look into it with: capsule inspect ${typed}`);
  throw new InvalidArgumentError(
    'It must be an id of 64 lowercase hex characters, the beginning of one, or its end after “…”.',
  );
}

/** The one of `ids` that is meant. Throws `not_found`, and `usage` with the candidates where it is not clear. */
function theOne(what: string, typed: string, ids: Iterable<string>): string {
  const found = [...new Set(ids)];
  const [only] = found;
  const { kind, text } = shortId(typed);
  const how = kind === 'end' ? 'ends with' : 'begins with';
  if (only === undefined)
    throw new MeshError('not_found', `This node knows no ${what} whose id ${how} ${text}.`);
  if (found.length === 1) return only;
  const more = found.length > LISTED ? ['…'] : [];
  throw usage(
    `More than one ${what} has an id that ${how} ${text}; say more of it.`,
    [...found.slice(0, LISTED), ...more].map((id) => `  ${id}`).join('\n'),
  );
}

/** The whole id of a capsule that the node stores. */
export async function capsuleId(client: ApiClient, typed: string): Promise<string> {
  if (WHOLE_ID.test(typed)) return typed;
  return theOne('capsule', typed, await capsulesLike(client, shortId(typed)));
}

async function capsulesLike(client: ApiClient, { kind, text }: ShortId): Promise<string[]> {
  const found: string[] = [];
  let cursor: string | undefined;
  for (let page = 0; page < PAGES && found.length <= LISTED; page++) {
    const { items, cursor: next }: Page<CapsuleRow> = await client.request('/api/capsules', {
      query: { id: kind === 'end' ? `…${text}` : text, limit: PAGE, cursor },
    });
    found.push(...items.map(({ id }) => id));
    if (next === null) break;
    cursor = next;
  }
  return found;
}

/** The hash of a receipt, or the id of a capsule that has one. */
export async function receiptId(client: ApiClient, typed: string): Promise<string> {
  if (WHOLE_ID.test(typed)) return typed;
  const short = shortId(typed);
  const found = await capsulesLike(client, short);
  let cursor: string | undefined;
  for (let page = 0; page < PAGES; page++) {
    const { items, cursor: next }: Page<{ receipt: Receipt }> = await client.request('/api/receipts', {
      query: { limit: PAGE, cursor },
    });
    for (const { receipt } of items) if (isMeant(short, receipt.receiptHash)) found.push(receipt.receiptHash);
    if (next === null) break;
    cursor = next;
  }
  return theOne('receipt or capsule', typed, found);
}

/** Every node that this one knows: itself, its peers, and who offers something. */
export async function knownNodes(client: ApiClient): Promise<string[]> {
  const [here, peers, market] = await Promise.all([
    client.request<{ nodeId: string }>('/api/node'),
    client.request<{ items: { nodeId: string }[] }>('/api/peers'),
    client.request<{ items: { nodeId: string }[] }>('/api/market'),
  ]);
  return [...new Set([here, ...peers.items, ...market.items].map(({ nodeId }) => nodeId))];
}

/** The whole id of a node. `flag` is what errors speak of, such as `--on`. */
export async function nodeId(client: ApiClient, flag: string, typed: string): Promise<string> {
  if (WHOLE_NODE.test(typed)) return typed;
  const known = await knownNodes(client);
  const short = shortId(typed);
  const found = typed === '' ? [] : known.filter((id) => isMeant(short, id));
  if (found.length === 0)
    throw new CliError(
      'usage',
      `${flag} ${typed || '""'} is no node that this one knows.`,
      'See them with: capsule peers',
    );
  return theOne('node', typed, found);
}

/** An account is an identity, a node or a word such as `operator`; what is none of those in full is looked up among the accounts. */
export async function accountId(client: ApiClient, typed: string): Promise<string> {
  if (WHOLE_ID.test(typed) || WHOLE_NODE.test(typed) || typed === 'operator') return typed;
  const { accounts } = await client.request<{ accounts: { account: string }[] }>('/api/credits');
  const short = shortId(typed);
  const known = [...accounts.map(({ account }) => account), ...(await knownNodes(client))];
  return theOne(
    'account',
    typed,
    known.filter((id) => isMeant(short, id)),
  );
}
