import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../../../protocols/common/v1/errors.ts';
import { NOW } from '../../../support/documents.ts';
import {
  acceptance,
  decline,
  failureBy,
  given,
  ordered,
  progress,
  resultBy,
} from '../../../support/hostile.ts';
import { alice, bob, carol, mallory } from '../../../support/keys.ts';
import { Mesh } from '../../../support/mesh.ts';

const BESIDE = { offers: { 'work.echo': 1 } };

describe('an executor', () => {
  it('that accepts and then declines has lost the work', async () => {
    const { a, mesh, m, id } = await ordered({ executionPolicy: { maxRetries: 0 } });
    await m.say(a, acceptance(id));
    await m.say(a, decline(id, 'busy'));
    expect(await a.ended(id)).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
    expect(await mesh.problems()).toEqual([]);
  });

  it('that declines with a code of its own is passed over all the same', async () => {
    const { a, m, id } = await ordered();
    await m.say(a, decline(id, 'i_am_special'));
    expect(a.status(id)).toBe('announced');
    expect(await a.ended(id)).toMatchObject({ status: 'failed' });
  });

  it('cannot end a capsule by declining it as wrong', async () => {
    const { a, mesh, m, id } = await ordered();
    await m.say(a, decline(id, 'invalid_capsule'));
    const c = await mesh.add(carol, BESIDE);
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: c.nodeId });
  });

  for (const code of Object.keys(ERROR_CODES)) {
    it(`cannot end a capsule by a failure as ${code} while another provider is there`, async () => {
      const { a, mesh, m, id, capsule, lease } = await ordered();
      const c = await mesh.add(carol, BESIDE);
      await m.say(a, acceptance(id));
      await m.say(a, failureBy(mallory, capsule, lease, code));
      expect(await a.ended(id)).toMatchObject({
        status: 'completed',
        executor: c.nodeId,
        record: { attempts: 2 },
      });
      expect(a.balance(mallory)).toBe(0);
    });
  }

  it('whose verdict is disproved is not the first to be asked next time', async () => {
    const { a, mesh, m, capsule, lease, id } = await ordered({}, { price: 0 });
    const c = await mesh.add(carol, BESIDE);
    await m.say(a, failureBy(mallory, capsule, lease, 'invalid_payload'));
    await a.ended(id);
    const next = await a.run({ paymentRule: { type: 'credit', amount: 2 } });
    expect(next).toMatchObject({ status: 'completed', executor: c.nodeId, record: { attempts: 1 } });
  });

  it('that only ever says that it is alive does not outlive the expiry', async () => {
    const { a, mesh, m, id } = await ordered({ executionPolicy: { expiresAt: NOW + 60_000 } });
    for (let n = 0; n < 7; n++) {
      await m.say(a, progress(id, n));
      expect(a.record(id)?.executor).toBe(m.nodeId);
      await mesh.advance(10_000);
    }
    expect(await a.view(id)).toMatchObject({ status: 'failed', error: { code: 'expired' } });
  });

  it('that only ever says that it is alive has no longer than the timeout and the grace', async () => {
    const { a, mesh, m, id } = await ordered({ executionPolicy: { timeout: 1_000 } });
    const c = await mesh.add(carol, BESIDE);
    await m.say(a, acceptance(id));
    for (let n = 0; n < 29; n++) {
      await mesh.advance(100);
      await m.say(a, progress(id, 0));
    }
    expect(a.record(id)).toMatchObject({ status: 'executing', executor: m.nodeId });
    await mesh.advance(100);
    expect(await a.view(id)).toMatchObject({ status: 'completed', executor: c.nodeId });
    expect(m.of('capsule_cancel')[0]).toMatchObject({ capsuleId: id, epoch: 1 });
  });

  it('that accepts again and again has no longer for it', async () => {
    const { a, mesh, m, id } = await ordered({ executionPolicy: { timeout: 1_000, maxRetries: 0 } });
    for (let n = 0; n < 30; n++) {
      await m.say(a, acceptance(id));
      await mesh.advance(100);
    }
    expect(await a.view(id)).toMatchObject({ status: 'failed', error: { code: 'timeout' } });
  });

  it('that is connected and says nothing at all is given up', async () => {
    const { a, mesh, m, id } = await ordered();
    const c = await mesh.add(carol, BESIDE);
    await m.say(a, acceptance(id));
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: c.nodeId });
    expect(mesh.clock.monotonic()).toBeLessThan(23_000);
  });

  it('that sends its result over and over, and those of another epoch between, is paid once', async () => {
    const { a, mesh, m, id, capsule, lease } = await ordered();
    await m.say(a, failureBy(mallory, capsule, lease));
    await mesh.advance(2_000);
    const second = given(m);
    expect(second.lease.epoch).toBe(2);
    for (let n = 0; n < 3; n++) {
      await m.say(a, resultBy(mallory, capsule, second.lease));
      await m.say(a, failureBy(mallory, capsule, lease));
      await m.say(a, failureBy(mallory, capsule, second.lease));
      await m.say(a, acceptance(id, 2));
      await m.say(a, decline(id, 'busy', 'capsule_data', { epoch: 2 }));
    }
    expect(a.status(id)).toBe('completed');
    expect(a.balance(alice)).toBe(-2_000_000);
    expect(a.eventsOf(id).filter(({ type }) => type === 'done')).toHaveLength(1);
    expect(await mesh.problems()).toEqual([]);
  });

  it('cannot take work that may not run twice and have it given to nobody else by silence, for ever', async () => {
    const { a, m, id } = await ordered({}, { idempotent: false });
    await m.say(a, acceptance(id));
    expect(await a.ended(id)).toMatchObject({ status: 'failed', error: { code: 'interrupted' } });
  });
});

describe('a coordinator whose disk does not keep up', () => {
  it('takes a result all the same, and tells of it when that is on the disk', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const { id } = await a.submit(a.capsule({ payload: { ms: 1_000 } }));
    await mesh.settle();
    const goOn = await a.fillDisk();
    await mesh.advance(1_000);
    expect(b.status(id)).toBe('completed');
    expect(a.eventsOf(id).map(({ type }) => type)).not.toContain('done');
    goOn();
    expect(await a.ended(id)).toMatchObject({ status: 'completed', record: { attempts: 1 } });
    expect(b.runsOf(id)).toBe(1);
  });

  it('still notices that its executor is lost, and asks the next', async () => {
    const mesh = new Mesh();
    const a = await mesh.add(alice);
    const b = await mesh.add(bob, { offers: { 'work.echo': 0 } });
    const { id } = await a.submit(a.capsule({ payload: { ms: 1_000 } }));
    await mesh.settle();
    const c = await mesh.add(carol, { offers: { 'work.echo': 0 } });
    const goOn = await a.fillDisk();
    b.crash();
    await mesh.advance(5_000);
    expect(a.eventsOf(id).map(({ type }) => type)).not.toContain('done');
    goOn();
    expect(await a.ended(id)).toMatchObject({ status: 'completed', executor: c.nodeId });
  });
});
