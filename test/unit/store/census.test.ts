import { describe, expect, it } from 'vitest';
import { Census, type Counted } from '../../../src/store/census.ts';

const counted = (place: string, fields: Partial<Counted> = {}): Counted => ({
  place,
  status: 'pending',
  share: 'own',
  bytes: 10,
  open: true,
  ...fields,
});

describe('Census', () => {
  it('holds the places of what is open, and nothing of what is done with', () => {
    const census = new Census();
    for (const place of ['c', 'a', 'b']) census.change(null, counted(place));
    census.change(counted('b'), counted('b', { status: 'executing' }));
    expect(census.open()).toEqual(['a', 'b', 'c']);
    expect(census.openWith('pending', undefined, 9)).toEqual(['c', 'a']);
    expect(census.openWith('pending', 'c', 9)).toEqual(['a']);
    expect(census.openWith('pending', undefined, 1)).toEqual(['c']);
    census.change(counted('a'), counted('a', { status: 'failed', open: false }));
    census.change(counted('b', { status: 'executing' }), counted('b', { status: 'completed' }));
    expect([census.open(), census.closed(['completed', 'failed'])]).toEqual([['b', 'c'], 1]);
    census.change(counted('c'), null);
    expect([census.open(), census.usage().own]).toEqual([['b'], { capsules: 2, bytes: 20 }]);
  });
});
