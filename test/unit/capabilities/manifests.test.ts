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
import { CapabilityManifest } from '../../../protocols/manifest/v1/schema.ts';
import { compileJsonSchema } from '../../../src/capsule/json-schema.ts';
import { intentOf, memoryApi } from '../../support/capability-api.ts';

const modules = { archive, data, gemma, notify, report, text };

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
    for (const { input, output } of (await read()).capabilities) {
      compileJsonSchema(output);
      expect(compileJsonSchema(input)({ nonsense: 1 })).not.toBeNull();
    }
  });

  it('has code for every intent, and for no other', async () => {
    const { intents } = await read();
    for (const action of intents) {
      // Each refuses an empty payload or does its work; none is unknown.
      const outcome = await module
        .run(intentOf(action, {}), memoryApi().api)
        .catch((error: Error) => error.message);
      expect(String(outcome)).not.toMatch(/no action/);
    }
    await expect(module.run(intentOf(`${name}.nonsense`, {}), memoryApi().api)).rejects.toMatchObject({
      code: 'invalid_payload',
    });
  });
});
