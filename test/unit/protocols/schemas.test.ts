import { Compile } from 'typebox/compile';
import { describe, expect, it } from 'vitest';
import { publishedSchemas } from '../../../protocols/published.ts';
import { loadVectors, objectOf, readProtocolFile } from '../../support/vectors.ts';

describe('published JSON Schema', () => {
  it.each([...publishedSchemas()])('of %s is what is committed', (name, schema) => {
    expect(readProtocolFile(`${name}/v1/schema.json`)).toEqual(JSON.parse(JSON.stringify(schema)));
  });

  it.each(['capsule', 'receipt', 'assignment', 'settlement', 'manifest'] as const)(
    'of %s, read from its file, accepts every valid vector and refuses unknown fields',
    (name) => {
      const schema = Compile(readProtocolFile(`${name}/v1/schema.json`));
      for (const vector of loadVectors(name, 'valid')) {
        expect(schema.Check(vector[name])).toBe(true);
        expect(schema.Check({ ...objectOf(vector[name]), surprise: 1 })).toBe(false);
      }
    },
  );

  it('of messages has a definition for each type and takes fields it does not know', () => {
    const definitions = objectOf(readProtocolFile('messages/v1/schema.json').$defs);
    for (const { message, channel } of loadVectors('messages', 'valid')) {
      const fields = objectOf(message);
      const name = channel === 'gossip' ? 'gossip' : String(fields.type);
      const schema = Compile(objectOf(definitions[name]));
      expect(schema.Check(message)).toBe(true);
      expect(schema.Check({ ...fields, surprise: 1 })).toBe(true);
      expect(schema.Check({ ...fields, type: 'surprise' })).toBe(false);
    }
  });
});
