import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { packageVersion } from '../../../src/daemon/version.ts';
import { devDependencies, rootFile, version } from '../../support/package.ts';

describe('the version', () => {
  it('is that of the package that the code is in, however deep', () => {
    const folder = mkdtempSync(join(tmpdir(), 'version-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const deep = join(folder, 'dist', 'src', 'daemon');
    mkdirSync(deep, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{"name":"capsule-mesh","version":"98.7.6"}');
    expect(packageVersion(deep)).toBe('98.7.6');
    expect(packageVersion()).toBe(version);
  });

  it('is one for the package and its image', () => {
    const images = [...rootFile('docker-compose.yml').matchAll(/image: capsule-mesh:(\S+)/g)];
    expect(images.map(([, tag]) => tag)).toEqual([version]);
  });

  it('of Node.js is one for the checkout and for every stage of the image', () => {
    const pinned = devDependencies.node;
    expect(pinned).toMatch(/^\d+\.\d+\.\d+$/);
    const stages = [...rootFile('Dockerfile').matchAll(/^FROM node:([\d.]+)/gm)].map(([, tag]) => tag);
    expect(new Set(stages)).toEqual(new Set([pinned]));
  });
});
