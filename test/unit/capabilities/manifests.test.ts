import { readFile } from 'node:fs/promises';
import { Compile } from 'typebox/compile';
import { Check } from 'typebox/value';
import { describe, expect, it } from 'vitest';
import * as archive from '../../../capabilities/archive/index.ts';
import * as data from '../../../capabilities/data/index.ts';
import * as gemma from '../../../capabilities/gemma/index.ts';
import * as notify from '../../../capabilities/notify/index.ts';
import * as report from '../../../capabilities/report/index.ts';
import * as text from '../../../capabilities/text/index.ts';
import type { JsonObject } from '../../../protocols/common/v1/schema.ts';
import { CapabilityManifest } from '../../../protocols/manifest/v1/schema.ts';
import { compileJsonSchema } from '../../../src/capsule/json-schema.ts';
import { intentOf, memoryApi } from '../../support/capability-api.ts';

const modules = { archive, data, gemma, notify, report, text };

/** A payload that each accepts; with a misspelt option in it, also in options that are an object, it must not. */
const PAYLOADS: Record<string, JsonObject> = {
  'archive.verify': { archive: 'UEsF' },
  'archive.seal': { program: '# Program' },
  'archive.hydrate': { archive: 'UEsF' },
  'data.store': { key: 'a', value: 1 },
  'data.get': { key: 'a' },
  'data.list': {},
  'data.delete': { key: 'a' },
  'ai.chat': { text: 'Hi', options: {} },
  'ai.summarize': { text: 'Hi', options: {} },
  'ai.analyze': { text: 'Hi', options: {} },
  'ai.extract': { text: 'Hi', schema: { type: 'object' }, options: {} },
  'ai.vision': { images: ['iVBORw0KGgo='], options: {} },
  'ai.embed': { text: 'Hi' },
  'notify.send': { message: 'Hi' },
  'report.create': { data: 1 },
  'text.analyze': { text: 'Hi' },
  'text.summarize': { text: 'Hi' },
  'text.keywords': { text: 'Hi' },
  'text.stats': { text: 'Hi' },
};

describe.each(Object.entries(modules))('the %s manifest', (name, module) => {
  const read = async (): Promise<CapabilityManifest> => {
    const url = new URL(`../../../capabilities/${name}/manifest.json`, import.meta.url);
    const manifest: unknown = JSON.parse(await readFile(url, 'utf8'));
    if (!Check(CapabilityManifest, manifest)) {
      throw new Error(JSON.stringify(Compile(CapabilityManifest).Errors(manifest)));
    }
    return manifest;
  };

  it('is one, of the folder it lies in, and every capability is among its intents', async () => {
    const manifest = await read();
    expect(manifest.id).toBe(name);
    expect(manifest.capabilities.map(({ intent }) => intent).sort()).toEqual([...manifest.intents].sort());
  });

  it('has schemas that the engine compiles and that refuse a misspelt option', async () => {
    for (const { id, input, output } of (await read()).capabilities) {
      compileJsonSchema(output);
      const problem = compileJsonSchema(input);
      const payload = PAYLOADS[id] ?? {};
      expect(problem(payload), id).toBeNull();
      expect(problem({ ...payload, nonsense: 1 }), id).not.toBeNull();
      if (payload.options !== undefined)
        expect(problem({ ...payload, options: { nonsense: 1 } }), id).not.toBeNull();
    }
  });

  it('has code for every intent, and for no other', async () => {
    const { intents } = await read();
    expect([...module.run.actions].sort()).toEqual([...intents].sort());
    await expect(module.run(intentOf(`${name}.nonsense`, {}), memoryApi().api)).rejects.toMatchObject({
      code: 'invalid_payload',
    });
  });
});
