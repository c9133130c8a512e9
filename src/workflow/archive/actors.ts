import type { Participant } from '../../../protocols/archive/v1/schema.ts';
import { nodeIdOf } from '../../capsule/identity.ts';
import { modelExecutionOf } from '../../capsule/model-execution.ts';
import { executorOf, type WorkflowFacts, type WorkflowStep } from './facts.ts';

/** Letters of a model's name that an actor id keeps; the name itself stands in the events, as what it is: a claim. */
const NOT_IN_AN_ACTOR = /[^A-Za-z0-9._:/@+-]+/g;
const MODEL_CHARS = 128;

export const originActor = ({ capsule }: WorkflowStep): string => `human:${nodeIdOf(capsule.originIdentity)}`;
export const nodeActor = (nodeId: string): string => `system:${nodeId}`;
export const modelActor = (model: string): string =>
  `ai:${model.slice(0, MODEL_CHARS).replace(NOT_IN_AN_ACTOR, '_') || '_'}`;

/** What a node did in a workflow; the first of its roles is the one that the manifest names. */
const NODE_ROLES = ['originator', 'executor', 'coordinator'] as const;
export type NodeRole = (typeof NODE_ROLES)[number];

/** Nodes of a workflow with all of their roles, the one that seals first, the others as they come in. */
export function nodesOf({ steps }: WorkflowFacts, sealingNode: string): Map<string, NodeRole[]> {
  const found = new Map<string, Set<NodeRole>>();
  const add = (nodeId: string | null, role: NodeRole): void => {
    if (nodeId !== null) found.set(nodeId, (found.get(nodeId) ?? new Set()).add(role));
  };
  add(sealingNode, 'originator');
  for (const step of steps) {
    add(step.record.coordinator, 'coordinator');
    add(executorOf(step), 'executor');
  }
  return new Map([...found].map(([nodeId, roles]) => [nodeId, NODE_ROLES.filter((role) => roles.has(role))]));
}

/** Names of the models that wrote something, as their executors state them. */
export function modelsOf({ steps }: WorkflowFacts): string[] {
  return [...new Set(steps.flatMap(({ receipt }) => (receipt && modelExecutionOf(receipt)?.model) ?? []))];
}

/** The origin, the nodes, and the models: each actor once (archive-v0.6 "Manifest"). */
export function participantsOf(facts: WorkflowFacts, sealingNode: string): Participant[] {
  const { originIdentity } = facts.root.capsule;
  const asked = { actor_id: originActor(facts.root), role: 'origin', label: `asked; key ${originIdentity}` };
  const nodes = [...nodesOf(facts, sealingNode)].map(([nodeId, roles]) => ({
    actor_id: nodeActor(nodeId),
    role: roles[0] ?? 'executor',
    label: roles.map((role) => DEEDS[role]).join(', '),
  }));
  const models = new Map(modelsOf(facts).map((model) => [modelActor(model), model]));
  return [
    asked,
    ...nodes,
    ...[...models].map(([actor_id, model]) => ({ actor_id, role: 'author', label: model })),
  ];
}

/** In the past tense, for labels and for `agents.md`. */
export const DEEDS: Readonly<Record<NodeRole, string>> = {
  originator: 'sealed this archive',
  executor: 'executed steps',
  coordinator: 'coordinated steps',
};
