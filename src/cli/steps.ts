import { Type } from 'typebox';
import { NextStep } from '../../protocols/capsule/v1/schema.ts';
import { LIMITS } from '../../protocols/common/v1/limits.ts';
import type { JsonValue } from '../../protocols/common/v1/schema.ts';
import { checkOf } from '../lib/check.ts';
import { shaped } from './files.ts';

const steps = checkOf(Type.Array(NextStep, { maxItems: LIMITS.nextSteps }));

/** The next steps of `--next`; one may stand without its list. Throws `usage` where they are none. */
export const stepsOf = (value: JsonValue): NextStep[] =>
  shaped(steps, '--next is not valid', Array.isArray(value) ? value : [value]);
