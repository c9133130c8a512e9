import { describe, expect, it } from 'vitest';
import { MAX_MODELS_PER_OFFER, offeredModels, wantedModel } from '../../../src/market/wanted-model.ts';

describe('the model that a capsule names', () => {
  it.each([
    ['ai.chat', { text: 'hi' }, undefined],
    ['ai.chat', { text: 'hi', model: 'gemma3' }, 'gemma3:latest'],
    ['ai.chat', { action: 'ai.chat', payload: { model: 'gemma3:4b' } }, 'gemma3:4b'],
    ['ai.chat', { model: 'outside', payload: { text: 'hi' } }, undefined],
    ['ai.chat', { model: 'hf.co/google/gemma-3' }, 'hf.co/google/gemma-3:latest'],
    ['ai.chat', { model: 'localhost:5000/gemma3' }, 'localhost:5000/gemma3:latest'],
    ['ai.chat', { model: 7 }, undefined],
    ['ai.chat', { model: '' }, undefined],
    ['ai.chat', { $sealed: { ciphertext: 'x' } }, undefined],
    ['text.stats', { model: 'gemma3' }, undefined],
    ['aix.chat', { model: 'gemma3' }, undefined],
  ])('%s %j: %s', (capabilityId, payload, expected) => {
    expect(wantedModel(capabilityId, payload)).toBe(expected);
  });
});

describe('the models that an offer lists', () => {
  it.each([
    [undefined, undefined],
    [{ words: true }, undefined],
    [{ models: 'gemma3' }, undefined],
    [{ models: [] }, []],
    [{ models: ['a', { name: 'b:1' }, { name: 7 }, null, 3, 'a:latest'] }, ['a:latest', 'b:1']],
  ])('%j: %j', (detail, expected) => {
    expect(offeredModels('ai.chat', detail)).toEqual(expected);
    expect(offeredModels('text.stats', detail)).toBeUndefined();
  });

  it('are bounded', () => {
    const models = Array.from({ length: 1_000 }, (_, index) => `m${index}`);
    expect(offeredModels('ai.chat', { models })).toHaveLength(MAX_MODELS_PER_OFFER);
  });
});
