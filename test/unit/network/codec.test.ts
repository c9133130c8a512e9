import { describe, expect, it } from 'vitest';
import { decodeFrame, decodeGossip } from '../../../src/network/codec.ts';

const MAX_BYTES = 65_536;
const ID = 'ab'.repeat(32);
const frame = (text: string) => decodeFrame(Buffer.from(text), MAX_BYTES);

describe('a message with a number that a double does not keep', () => {
  it.each([
    ['4111111111111111111', 'integer'],
    ['9007199254740993', 'integer'],
    ['0.12345678901234567890', 'number'],
    ['1e400', 'number'],
  ])('is declined as an invalid capsule where it is an order: %s', (number, kind) => {
    const capsule = `{"id":"${ID}","payload":{"order":[{"card":${number}}]}}`;
    expect(frame(`{"type":"capsule_data","capsule":${capsule}}`)).toEqual({
      kind: 'refused',
      decline: {
        type: 'capsule_decline',
        capsuleId: ID,
        of: 'capsule_data',
        code: 'invalid_capsule',
        message: expect.stringContaining(
          `"capsule.payload.order.0.card" is the ${kind} ${number}, which not every reader knows exactly`,
        ),
        load: 0,
      },
    });
  });

  it('is declined as an invalid receipt where it is a result', () => {
    expect(
      frame(`{"type":"capsule_result","capsuleId":"${ID}","result":{"n":9007199254740993}}`),
    ).toMatchObject({
      kind: 'refused',
      decline: { capsuleId: ID, of: 'capsule_result', code: 'invalid_receipt' },
    });
  });

  it.each([
    ['a message without content', '{"type":"capability_query","exchangeId":1e400}'],
    ['no message', '[9007199254740993]'],
    ['a name twice', '{"type":"capsule_data","a":1e400,"a":1}'],
  ])('is garbage where it is %s', (_, text) => {
    expect(frame(text)).toMatchObject({ kind: 'garbage' });
  });

  it('is garbage in gossip', () => {
    const text = '{"type":"capability_advertisement","sequence":9007199254740993}';
    expect(decodeGossip(Buffer.from(text), MAX_BYTES)).toMatchObject({
      kind: 'garbage',
      reason: expect.stringContaining('"sequence" is the integer 9007199254740993'),
    });
  });
});
