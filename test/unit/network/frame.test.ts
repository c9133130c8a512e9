import fc from 'fast-check';
import * as lengthPrefixed from 'it-length-prefixed';
import { describe, expect, it } from 'vitest';
import { encodeFrame, FrameDecoder } from '../../../src/network/frame.ts';

const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: 400 }), { maxLength: 12 });

/** Everything `decoder` has whole, after each chunk. */
function decodeAll(chunks: Uint8Array[], maxBytes = 1_000): number[][] {
  const decoder = new FrameDecoder({ maxBytes });
  const found: number[][] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let body = decoder.next(); body !== undefined; body = decoder.next()) found.push([...body]);
  }
  return found;
}

describe('frames', () => {
  it('come back whole and in order, wherever the chunks are split', () => {
    fc.assert(
      fc.property(bodies, fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), (sent, sizes) => {
        const wire = Buffer.concat(sent.map(encodeFrame));
        const chunks: Uint8Array[] = [];
        for (let at = 0, turn = 0; at < wire.length; turn++) {
          const size = sizes[turn % sizes.length] ?? 1;
          chunks.push(wire.subarray(at, at + size));
          at += size;
        }
        expect(decodeAll(chunks)).toEqual(sent.map((body) => [...body]));
      }),
    );
  });

  it('come back from single bytes and from one chunk', () => {
    const sent = [1, 127, 128, 400].map((length) => new Uint8Array(length).fill(length % 256));
    const wire = Buffer.concat(sent.map(encodeFrame));
    const expected = sent.map((body) => [...body]);
    expect(decodeAll([wire])).toEqual(expected);
    expect(decodeAll([...wire].map((byte) => Uint8Array.of(byte)))).toEqual(expected);
  });

  it.each([1, 127, 128, 16_383, 16_384, 2_097_152])(
    'of %i bytes are what the common library writes',
    (length) => {
      const body = new Uint8Array(length).fill(7);
      expect(Buffer.from(encodeFrame(body))).toEqual(
        Buffer.from(lengthPrefixed.encode.single(body).subarray()),
      );
    },
  );

  it('over the limit are refused at the prefix, before a byte of the body', () => {
    const decoder = new FrameDecoder({ maxBytes: 1_000 });
    decoder.push(encodeFrame(new Uint8Array(1_001)).subarray(0, 2));
    expect(() => decoder.next()).toThrow(expect.objectContaining({ code: 'too_large' }));
    expect(decodeAll([encodeFrame(new Uint8Array(1_000))])).toHaveLength(1);
  });

  it.each([
    ['a prefix that never ends', [0xff, 0xff, 0xff, 0xff], 'too_large'],
    ['a length of five bytes', [0x80, 0x80, 0x80, 0x80, 0x01], 'too_large'],
    ['an empty frame', [0x00], 'invalid_request'],
    ['an empty frame in two bytes', [0x80, 0x00], 'invalid_request'],
  ])('with %s are refused', (_name, wire, code) => {
    expect(() => decodeAll([Uint8Array.from(wire)])).toThrow(expect.objectContaining({ code }));
  });

  it('that are not complete stay inside', () => {
    const frame = encodeFrame(new Uint8Array(100));
    expect(decodeAll([frame.subarray(0, 1)])).toEqual([]);
    expect(decodeAll([frame.subarray(0, 100)])).toEqual([]);
    expect(decodeAll([])).toEqual([]);
  });
});
