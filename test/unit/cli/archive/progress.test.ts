import { describe, expect, it } from 'vitest';
import { bytesSource } from '../../../../src/archive/source.ts';
import { Cli } from '../../../../src/cli/cli.ts';
import { CountedSource, Progress } from '../../../../src/cli/commands/archive/progress.ts';
import { memoryIo } from '../../../support/cli.ts';

const LONG = 100 * 1_048_576;

function shown(total: number, tty: boolean): string {
  const io = memoryIo({ tty });
  const progress = new Progress(new Cli(io), 'Sealing', total);
  for (let part = 0; part < 1000; part++) progress.add(total / 1000);
  progress.end();
  return io.printed.stderr;
}

describe('progress of long work', () => {
  it('counts on a terminal, redraws at whole percents only, and takes its line away', () => {
    const text = shown(LONG, true);
    expect(text).toContain('Sealing: 0 %');
    expect(text).toContain('Sealing: 99 %');
    expect(text.split('Sealing').length - 1).toBe(100);
    expect(text.endsWith('\r\u001b[2K')).toBe(true);
  });

  it('is quiet in a pipe, and for what is done at once', () => {
    expect(shown(LONG, false)).toBe('');
    expect(shown(1_048_576, true)).toBe('');
  });

  it('follows what is read and what is written, and changes neither', async () => {
    const io = memoryIo({ tty: true });
    const progress = new Progress(new Cli(io), 'Verifying', LONG);
    const bytes = Uint8Array.from({ length: 64 }, (_, index) => index);
    const memory = bytesSource(bytes);
    const source = new CountedSource(
      {
        size: LONG,
        read: (offset, length) => memory.read(offset, length),
        readInto: async (target, offset) => target.set(memory.read(offset, target.length)),
      },
      progress,
    );
    expect(source.size).toBe(LONG);
    expect(await source.read(4, 8)).toEqual(bytes.slice(4, 12));
    const target = new Uint8Array(8);
    await source.readInto(target, 8);
    expect(target).toEqual(bytes.slice(8, 16));
    const written: Uint8Array[] = [];
    const sink = progress.counting(async (chunk) => {
      written.push(chunk);
    });
    await sink(bytes);
    expect(written).toEqual([bytes]);
    source.counted();
    const before = io.printed.stderr;
    expect(before).toContain('Verifying: 0 %');
    progress.add(LONG / 2);
    expect(io.printed.stderr).toBe(before);
  });
});
