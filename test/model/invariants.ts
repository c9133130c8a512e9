import { hasEnded } from '../../src/exchange/machine/state.ts';
import { nameOf, nodeOf, S, WHO, type Who, whoIs } from './documents.ts';
import type { Local, Memory } from './node.ts';
import { Violation } from './violation.ts';
import { DISK, MEMORY, ON_THE_WAY, PAST, TOLD, type Universe, type World, wordOf } from './world.ts';

/** What holds of a node's memory by itself; looked at once for each memory. */
export function checkMemory(universe: Universe, memory: number, who: Who): void {
  const asked = universe.asked(memory);
  const { locals } = universe.memories.get(memory);
  for (const [id, { state, result }] of locals) {
    const { care, work } = state.life;
    const fail = (what: string) => new Violation(`${id} at ${nameOf(who)}: ${what}`);
    if (work?.kind === 'delivering' && result !== work.outcome.receiptHash)
      throw fail('what is delivered is not what is stored.');
    if (care?.phase.kind === 'choosing') throw fail('"choosing" is stored.');
    if (care !== null && hasEnded(state) !== (care.phase.kind === 'ended'))
      throw fail(`its status is ${state.status} and its phase "${care.phase.kind}".`);
    if (care?.phase.kind === 'here' && work?.kind !== 'running')
      throw fail('it was assigned to this node, and no run is asked for.');
    if (!hasEnded(state) && !asked.some(({ capsule }) => capsule === id))
      throw fail('it has not ended, and nothing is asked for.');
    if (state.open && !asked.some(({ capsule }) => capsule === id))
      throw fail('it is open, and nothing is asked for.');
    if (
      care !== null &&
      care.phase.kind !== 'ended' &&
      !asked.some(({ capsule, effect }) => capsule === id && effect.kind === 'timer') &&
      care.phase.kind !== 'here'
    )
      throw fail('nothing ends the waiting.');
  }
  if (who === S) checkSubmitter(universe, locals);
}

/** Each step of an accepted result is continued: the submitter has its child, and sees to it. */
function checkSubmitter({ documents, scenario }: Universe, locals: Memory['locals']): void {
  const root = locals.get(scenario.capsule.id);
  if (root?.state.status !== 'completed') return;
  const { receiptHash, steps: outcomes } = root.state;
  const { end } = documents.outcome(receiptHash ?? '');
  const wanted = end === 'completed' ? documents.children(receiptHash ?? '') : [];
  for (const child of wanted) {
    if (outcomes.every((outcome) => outcome.child !== child.id))
      throw new Violation(`The step ${child.id} is not recorded at its parent.`);
    if ((locals.get(child.id)?.state.life.care ?? null) === null)
      throw new Violation(`The submitter does not see to the step ${child.id}.`);
  }
}

/** What holds of all nodes together. */
export function checkWorld(universe: Universe, world: World): void {
  const past = universe.sets.get(world[PAST] ?? 0);
  const root = universe.scenario.capsule.id;
  const atSubmitter = universe.memories.get(wordOf(world, S, DISK)).locals;
  if (past.includes(universe.fact('confirmed')) && !atSubmitter.has(root))
    throw new Violation(`${root} was confirmed and is forgotten.`);
  const memories = WHO.map((who) => universe.memories.get(wordOf(world, who, MEMORY)).locals);
  const settled = isSettled(universe, world);
  for (const who of WHO) {
    if (who === S || universe.isHostile(who)) continue;
    for (const [id, executed] of memories[who] ?? [])
      checkBooks(`${id} at ${nameOf(who)}`, memories[S]?.get(id), executed, settled);
  }
  if (settled) checkPayments(universe, memories[S] ?? new Map(), memories);
}

function checkBooks(what: string, payer: Local | undefined, executed: Local, settled: boolean): void {
  const { booked, mark } = executed;
  if (booked === null) return;
  const mirrored = payer?.booked?.receiptHash === booked.receiptHash;
  if (mark === 'reversed' && mirrored)
    throw new Violation(`${what}: the executor took back what the submitter has paid.`);
  if (!settled || mark !== 'none') return;
  if (!mirrored) throw new Violation(`${what}: the executor booked it, and the submitter did not.`);
  if (payer?.booked?.amount !== booked.amount) throw new Violation(`${what}: the amounts differ.`);
}

/** What the submitter paid to a node that does not lie stands in that one's book. */
function checkPayments(
  universe: Universe,
  submitter: Memory['locals'],
  memories: readonly Memory['locals'][],
): void {
  for (const [id, { booked, state }] of submitter) {
    if (!hasEnded(state)) throw new Violation(`${id} has not ended, and nothing happens any more.`);
    if (booked === null) continue;
    const payee = whoIs(booked.credit);
    if (universe.isHostile(payee)) continue;
    if (memories[payee]?.get(id)?.booked?.receiptHash !== booked.receiptHash)
      throw new Violation(`${id}: ${nodeOf(payee)} was paid for what it does not know.`);
  }
}

/** Nothing is on the way, nothing waits for a disk, and no node asks for anything. */
function isSettled(universe: Universe, world: World): boolean {
  if (world[ON_THE_WAY] !== 0) return false;
  const submitted = universe.memories.get(wordOf(world, S, DISK)).locals.size > 0;
  return (
    submitted &&
    WHO.every(
      (who) =>
        wordOf(world, who, TOLD) === 0 &&
        wordOf(world, who, MEMORY) === wordOf(world, who, DISK) &&
        universe.asked(wordOf(world, who, MEMORY)).length === 0,
    )
  );
}
