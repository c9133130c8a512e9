import { InvalidArgumentError } from 'commander';
import type { MeshClient } from '../client/client.ts';
import { MeshError } from '../lib/errors.ts';
import { CliError, usage } from './failure.ts';
import { arg } from './option.ts';

/** Candidates that are listed where a short form means several. */
const LISTED = 10;
/** Newest ones that are looked through for a short form; more would keep somebody waiting. */
const MOST_CAPSULES = 100_000;
const MOST_RECEIPTS = 10_000;
const WHOLE_ID = /^[0-9a-f]{64}$/;
/** Peer ids of Ed25519, secp256k1 and RSA keys in base58. */
const WHOLE_NODE =
  /^(?:12D3KooW[1-9A-HJ-NP-Za-km-z]{44}|16Uiu2[1-9A-HJ-NP-Za-km-z]{48}|Qm[1-9A-HJ-NP-Za-km-z]{44})$/;

/** How an id was typed: whole, its beginning (`3fa1`, `3fa1…`) or its end as tables print it (`…9c02`, `...9c02`). */
interface ShortId {
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
export async function capsuleId(client: MeshClient, typed: string): Promise<string> {
  if (WHOLE_ID.test(typed)) return typed;
  return theOne('capsule', typed, await capsulesLike(client, shortId(typed)));
}

async function capsulesLike(client: MeshClient, { kind, text }: ShortId): Promise<string[]> {
  const found: string[] = [];
  const query = { id: kind === 'end' ? `…${text}` : text };
  for await (const { id } of firstOf(client.all('GET /api/capsules', query), MOST_CAPSULES)) {
    found.push(id);
    if (found.length > LISTED) break;
  }
  return found;
}

/** The hash of a receipt, or the id of a capsule that has one. */
async function receiptId(client: MeshClient, typed: string): Promise<string> {
  if (WHOLE_ID.test(typed)) return typed;
  const short = shortId(typed);
  const found = await capsulesLike(client, short);
  for await (const { receipt } of firstOf(client.all('GET /api/receipts'), MOST_RECEIPTS))
    if (isMeant(short, receipt.receiptHash)) found.push(receipt.receiptHash);
  return theOne('receipt or capsule', typed, found);
}

async function* firstOf<T>(items: AsyncIterable<T>, most: number): AsyncGenerator<T> {
  let count = 0;
  for await (const item of items) {
    if (++count > most) return;
    yield item;
  }
}

/** Every node that this one knows: itself, its peers, and who offers something. */
export async function knownNodes(client: MeshClient): Promise<string[]> {
  const [here, peers, market] = await Promise.all([
    client.request('GET /api/node'),
    client.request('GET /api/peers'),
    client.request('GET /api/market'),
  ]);
  return [...new Set([here, ...peers.items, ...market.items].map(({ nodeId }) => nodeId))];
}

/** The whole id of a node. `flag` is what errors speak of, such as `--on`. */
export async function nodeId(client: MeshClient, flag: string, typed: string): Promise<string> {
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
export async function accountId(client: MeshClient, typed: string): Promise<string> {
  if (WHOLE_ID.test(typed) || WHOLE_NODE.test(typed) || typed === 'operator') return typed;
  const { accounts } = await client.request('GET /api/credits');
  const short = shortId(typed);
  const known = [...accounts.map(({ account }) => account), ...(await knownNodes(client))];
  return theOne(
    'account',
    typed,
    known.filter((id) => isMeant(short, id)),
  );
}

/** Arguments that may be typed short. */
export const CAPSULE = arg('<id>', 'the capsule', hexId, capsuleId);
export const RECEIPT = arg('<id>', 'its hash, or the capsule’s id', hexId, receiptId);
export const OTHER_NODE = arg('<node>', 'the other node’s id', String, (client, typed) =>
  nodeId(client, 'The node', typed),
);
export const ACCOUNT = arg('<account>', 'an identity or a node id', String, accountId);
