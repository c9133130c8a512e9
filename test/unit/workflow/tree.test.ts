import { beforeEach, describe, expect, it } from 'vitest';
import type { Capsule } from '../../../protocols/capsule/v1/schema.ts';
import type { ErrorBody } from '../../../protocols/common/v1/errors.ts';
import { DatabaseCapsuleStore } from '../../../src/store/capsule-store.ts';
import type { CapsuleRow, CapsuleStatus, Database, StepOutcome } from '../../../src/store/types.ts';
import { Workflows } from '../../../src/workflow/tree.ts';
import type { WorkflowNode } from '../../../src/workflow/types.ts';
import { memoryTestDatabase } from '../../support/database.ts';
import { addCapsule, capsuleId, pendingRow, unsignedCapsule } from '../../support/stored-capsules.ts';
import { VirtualClock } from '../../support/virtual-clock.ts';

const error: ErrorBody = { code: 'template_path_missing', message: 'There is no $result.text.' };
const ROOT = capsuleId(1);
const FIRST = capsuleId(2);
const SECOND = capsuleId(3);
const LAST = capsuleId(4);
const children = (...ids: string[]): StepOutcome[] => ids.map((child) => ({ child, error: null }));

let db: Database;
let capsules: DatabaseCapsuleStore<null>;
let workflows: Workflows;
beforeEach(async () => {
  db = memoryTestDatabase();
  capsules = await DatabaseCapsuleStore.open<null>({ db, clock: new VirtualClock() });
  workflows = new Workflows({ capsules });
});

interface Stored extends Partial<CapsuleRow<null>> {
  status: CapsuleStatus;
  next?: Capsule['next'];
}

/** A capsule as the exchange leaves it; a child belongs to the workflow of `ROOT` unless told. */
async function store(id: string, { next = null, ...fields }: Stored): Promise<void> {
  const tx = db.transaction();
  const below = id === ROOT ? {} : { parentCapsule: ROOT, chainDepth: 1, root: ROOT };
  addCapsule(capsules, tx, unsignedCapsule(id, { next }), pendingRow(id, { ...below, ...fields }));
  await tx.commit();
}

const idsOf = ({ id, children: below }: WorkflowNode): unknown[] => [id, ...below.map(idsOf)];

describe('the tree of a workflow', () => {
  it('lists no further when nobody waits for it', async () => {
    await store(ROOT, { status: 'completed' });
    const signal = AbortSignal.abort();
    await expect(workflows.list({ signal })).rejects.toMatchObject({ code: 'cancelled' });
    await expect(capsules.list({ signal })).rejects.toMatchObject({ code: 'cancelled' });
    expect((await workflows.list({})).items).toHaveLength(1);
  });

  it('is whole whichever of its capsules is asked for', async () => {
    await store(ROOT, { status: 'completed', steps: children(FIRST, SECOND) });
    await store(FIRST, { status: 'completed', steps: children(LAST), executor: 'there', receiptHash: 'f' });
    await store(SECOND, { status: 'completed', steps: [] });
    await store(LAST, { status: 'completed', parentCapsule: FIRST, chainDepth: 2 });
    const workflow = workflows.of(ROOT);
    expect(workflow).toMatchObject({ root: ROOT, status: 'completed', steps: 4 });
    expect(workflow && idsOf(workflow.tree)).toEqual([ROOT, [FIRST, [LAST]], [SECOND]]);
    expect(workflow?.tree.children[0]).toMatchObject({ executor: 'there', receiptHash: 'f', error: null });
    for (const id of [FIRST, SECOND, LAST]) expect(workflows.of(id)).toEqual(workflow);
  });

  it('is unknown where its capsule is', () => {
    expect(workflows.of(ROOT)).toBeUndefined();
  });

  it('begins with the capsule itself where the root is not known here', async () => {
    await store(FIRST, { status: 'completed', steps: children(LAST) });
    await store(LAST, { status: 'completed', parentCapsule: FIRST });
    const workflow = workflows.of(FIRST);
    expect(workflow).toMatchObject({ root: FIRST, steps: 2 });
    expect(workflow && idsOf(workflow.tree)).toEqual([FIRST, [LAST]]);
  });

  it.each([
    ['pending', 'executing'],
    ['announced', 'executing'],
    ['executing', 'executing'],
    ['failed', 'failed'],
    ['completed', 'completed'],
  ] as const)('with a step that is %s is %s', async (step, whole) => {
    await store(ROOT, { status: 'completed', steps: children(FIRST) });
    await store(FIRST, { status: step });
    expect(workflows.of(ROOT)?.status).toBe(whole);
  });

  it('is under way while any step is, although another failed', async () => {
    await store(ROOT, { status: 'completed', steps: children(FIRST, SECOND) });
    await store(FIRST, { status: 'failed', error });
    await store(SECOND, { status: 'announced' });
    expect(workflows.of(ROOT)).toMatchObject({ status: 'executing', steps: 3 });
  });

  it('shows a step that never became a capsule as a failed one, with its name and its reason', async () => {
    const wanted = { requestedCapability: 'work.wait', payloadTemplate: { text: '$result.text' } };
    await store(ROOT, {
      status: 'completed',
      next: [{ ...wanted, requestedCapability: 'work.echo' }, wanted],
      steps: [...children(FIRST), { child: null, error }],
    });
    await store(FIRST, { status: 'completed' });
    const workflow = workflows.of(ROOT);
    expect(workflow).toMatchObject({ status: 'failed', steps: 3 });
    expect(workflow?.tree.children[1]).toEqual({
      id: null,
      requestedCapability: 'work.wait',
      status: 'failed',
      executor: null,
      error,
      receiptHash: null,
      children: [],
    });
  });

  it('leaves out a step that only another node knows', async () => {
    await store(ROOT, { status: 'completed', steps: children(FIRST, SECOND) });
    await store(SECOND, { status: 'completed' });
    const workflow = workflows.of(ROOT);
    expect(workflow).toMatchObject({ status: 'completed', steps: 2 });
    expect(workflow && idsOf(workflow.tree)).toEqual([ROOT, [SECOND]]);
  });

  it('is cut at 1,024 steps', async () => {
    // As wide as it is deep: every capsule has sixteen next steps, without end.
    await store(ROOT, { status: 'completed', steps: children(...Array.from({ length: 16 }, () => ROOT)) });
    expect(workflows.of(ROOT)?.steps).toBe(1_024);
  });
});

describe('listing workflows', () => {
  it('has the roots only, newest first, page by page', async () => {
    await store(ROOT, { status: 'completed', steps: children(FIRST), receivedAt: 1_000 });
    await store(FIRST, { status: 'completed', receivedAt: 5_000 });
    await store(SECOND, { status: 'failed', parentCapsule: null, root: SECOND, receivedAt: 2_000 });
    const newest = await workflows.list({ limit: 1 });
    expect(newest.items).toEqual([expect.objectContaining({ root: SECOND, status: 'failed', steps: 1 })]);
    if (newest.cursor === null) throw new Error('There is no second page');
    const older = await workflows.list({ limit: 1, cursor: newest.cursor });
    expect(older.items).toEqual([expect.objectContaining({ root: ROOT, status: 'completed', steps: 2 })]);
  });
});
