import { describe, expect, it } from 'vitest';
import { explore } from './explore.ts';
import { SCENARIOS } from './scenarios.ts';

/** Distinct states for each scenario: a part of what `npm run model` looks at. Who lies has more to say in each. */
const STATES = 6_000;
const STATES_WITH_A_LIAR = 2_000;

describe('every order of events', () => {
  it.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))('%s', (_, scenario) => {
    const { found, states, whole } = explore(scenario, scenario.hostile ? STATES_WITH_A_LIAR : STATES);
    expect(found).toBeNull();
    expect(whole || states >= STATES_WITH_A_LIAR).toBe(true);
  });
});
