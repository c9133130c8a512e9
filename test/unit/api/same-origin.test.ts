import { expect, it } from 'vitest';
import { isLoopback } from '../../../src/api/same-origin.ts';

it('knows loopback, and what only looks like it', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost'])
    expect(isLoopback(host), host).toBe(true);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.evil.example', 'localhost.evil.example', '']) {
    expect(isLoopback(host), host).toBe(false);
  }
});
