import { describe, expect, it } from 'vitest';
import type { NextStep, PaymentRule } from '../../../protocols/capsule/v1/schema.ts';
import { costAtMost } from '../../../src/capsule/cost.ts';

const pays = (amount: number): PaymentRule => ({ type: 'credit', amount, charge: 'price' });
const step = (paymentRule?: PaymentRule | null, next?: NextStep[]): NextStep => ({
  requestedCapability: 'report.create',
  payloadTemplate: {},
  ...(paymentRule !== undefined && { paymentRule }),
  ...(next && { next }),
});

describe('what a chain costs at most', () => {
  it('is nothing where nothing is paid', () => {
    expect(costAtMost({ paymentRule: null, next: [step(), step(null)] })).toEqual({
      credits: 0,
      amounts: [],
    });
  });

  it('counts the amount for each step that inherits it, at any depth', () => {
    const capsule = { paymentRule: pays(2), next: [step(undefined, [step()]), step()] };
    expect(costAtMost(capsule)).toEqual({ credits: 8, amounts: [2, 2, 2, 2] });
  });

  it('takes the rule of a step, which the steps below it inherit, and no rule for none', () => {
    const next = [step(pays(0.3), [step()]), step(null, [step()])];
    expect(costAtMost({ paymentRule: pays(0.1), next })).toEqual({ credits: 0.7, amounts: [0.1, 0.3, 0.3] });
    expect(costAtMost({ paymentRule: null, next: [step(pays(5))] })).toEqual({ credits: 5, amounts: [5] });
  });
});
