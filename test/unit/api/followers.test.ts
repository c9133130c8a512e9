import { expect, it } from 'vitest';
import { Followers } from '../../../src/api/followers.ts';
import { OWNER } from '../../../src/api/principal.ts';

it('admits a bounded number of followers, and releases them together', () => {
  const followers = new Followers(8);
  let released = 0;
  const removals = Array.from({ length: 256 }, () => followers.add(OWNER, () => void released++));
  expect(followers.refusal(OWNER)).toMatchObject({ code: 'busy' });
  expect(() => followers.add(OWNER, () => undefined)).toThrow(expect.objectContaining({ code: 'busy' }));
  removals[0]?.();
  removals[0]?.();
  expect(followers.refusal(OWNER)).toBeUndefined();
  followers.releaseAll();
  followers.releaseAll();
  expect(released).toBe(255);
});

it('gives each token its places, and keeps some for the owner', () => {
  const followers = new Followers(8);
  const add = (name: string) => followers.add({ name }, () => undefined);
  const removals = Array.from({ length: 8 }, () => add('tool-0'));
  expect(() => add('tool-0')).toThrow(expect.objectContaining({ code: 'busy' }));
  removals[0]?.();
  add('tool-0');
  for (let tool = 1; tool < 24; tool++) for (let held = 0; held < 8; held++) add(`tool-${tool}`);
  expect(followers.refusal({ name: 'tool-24' })).toMatchObject({ code: 'busy' });
  for (let held = 0; held < 64; held++) followers.add(OWNER, () => undefined);
  expect(followers.refusal(OWNER)).toMatchObject({ code: 'busy' });
});
