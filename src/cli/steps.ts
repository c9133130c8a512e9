import { Type } from 'typebox';
import { NextStep } from '../../protocols/capsule/v1/schema.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { JsonValue } from '../../protocols/common/v1/schema.ts';
import { checkOf } from '../lib/check.ts';
import { usage } from './failure.ts';

const steps = checkOf(Type.Array(NextStep, { maxItems: LIMITS.nextSteps }));

/** The next steps of `--next`; one may stand without its list. Throws `usage` where they are none. */
export function stepsOf(value: JsonValue): NextStep[] {
  const list = Array.isArray(value) ? value : [value];
  if (steps.accepts(list)) return list;
  throw usage(`--next is not valid: ${steps.explain(list)}.`);
}
