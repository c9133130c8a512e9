import { readFileSync } from 'node:fs';
import { runInNewContext } from 'node:vm';
import { beforeEach, describe, expect, it } from 'vitest';
import { settle } from '../../support/virtual-clock.ts';

/** As much of a document as the page's script touches: text is only ever text. */
class Node {
  textContent = '';
  children: Node[] = [];
  append(...more: Node[]): void {
    this.children.push(...more);
  }
  replaceChildren(): void {
    this.children = [];
  }
  get text(): string {
    return [this.textContent, ...this.children.map(({ text }) => text)].join('\n');
  }
}
interface Asked {
  path: string;
  authorization?: string | undefined;
  body?: unknown;
}

const script = readFileSync(new URL('../../../src/api/console/page.js', import.meta.url), 'utf8');
const NODE = {
  nodeId: '12D3KooWnode',
  version: '1',
  addresses: [],
  peers: 0,
  capabilities: ['<b>text</b>'],
  capsules: { pending: 1 },
};
let codes: Set<string>;
let storage: Map<string, string>;
let asked: Asked[];
beforeEach(() => {
  codes = new Set(['fresh']);
  storage = new Map();
  asked = [];
});

/** Opens the page in the tab whose storage that is; gives what it shows and the address that is left. */
async function open(hash: string): Promise<{ shown: string; hash: string }> {
  const main = new Node();
  const location = { hash, pathname: '/' };
  const answer = (status: number, body: unknown) => ({ ok: status < 300, json: async () => body });
  const fetch = async (path: string, init: { headers?: { authorization?: string }; body?: string } = {}) => {
    const body: unknown = init.body === undefined ? undefined : JSON.parse(init.body);
    asked.push({ path, authorization: init.headers?.authorization, body });
    if (path === '/api/sessions') {
      const code = init.body === undefined ? '' : (/"code":"(\w+)"/.exec(init.body)?.[1] ?? '');
      return codes.delete(code) ? answer(201, { token: 'session' }) : answer(401, {});
    }
    return init.headers?.authorization === 'Bearer session' ? answer(200, NODE) : answer(401, {});
  };
  runInNewContext(script, {
    fetch,
    location,
    URLSearchParams,
    addEventListener: () => undefined,
    document: { querySelector: () => main, createElement: () => new Node() },
    history: {
      replaceState: () => {
        location.hash = '';
      },
    },
    sessionStorage: {
      getItem: (key: string) => storage.get(key) ?? null,
      setItem: (key: string, value: string) => storage.set(key, value),
      removeItem: (key: string) => storage.delete(key),
    },
  });
  await settle();
  return { shown: main.text, hash: location.hash };
}

describe('the console page', () => {
  it('exchanges the code of its address, keeps the token for the tab, and shows the node', async () => {
    const { shown, hash } = await open('#code=fresh');
    expect(shown).toContain('12D3KooWnode');
    expect(shown).toContain('<b>text</b>');
    expect(hash).toBe('');
    expect([...storage.values()]).toEqual(['session']);
    expect(asked.map(({ path }) => path)).toEqual(['/api/sessions', '/api/node']);
    expect((await open('')).shown).toContain('12D3KooWnode');
  });

  it('says that an address was used, and how to get another', async () => {
    await open('#code=fresh');
    storage.clear();
    const { shown } = await open('#code=fresh');
    expect(shown).toContain('This address was used already, or is too old.');
    expect(shown).toContain('capsule console');
    expect(shown).not.toContain('12D3KooW');
  });

  it('says that it needs a session, and forgets one that has ended', async () => {
    storage.set('capsule-token', 'old');
    expect((await open('')).shown).toContain('This page needs a session.');
    expect(storage.size).toBe(0);
  });
});
