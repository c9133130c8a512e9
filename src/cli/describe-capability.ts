import type { JsonObject, JsonValue } from '../../protocols/common/v1/schema.ts';
import type { ManifestCapability } from '../../protocols/manifest/v1/schema.ts';
import type { MeshClient } from '../client/client.ts';
import type { Answer } from '../client/routes.ts';
import { isObject } from '../lib/json.ts';
import { terminalLine } from '../lib/untrusted-text.ts';
import { CliError } from './failure.ts';
import { facts } from './format.ts';
import { didYouMean } from './suggest.ts';

interface Described {
  module: string;
  state: string;
  capability: ManifestCapability;
  /** A command that calls it. */
  example: string;
}

/** The capability of this name, or all of a module. Throws `not_found`, and says who else offers it. */
export async function described(
  client: MeshClient,
  { modules, offers }: Answer<'GET /api/capabilities'>,
  name: string,
): Promise<Described[]> {
  const all = modules.flatMap(({ manifest, state, reason }) =>
    manifest.capabilities.map((capability) => ({
      module: manifest.id,
      state: offers.some((offer) => offer.capability.id === capability.id) ? 'offered' : (reason ?? state),
      capability,
      example: exampleOf(capability),
    })),
  );
  const found = all.filter(({ module, capability }) => module === name || capability.id === name);
  if (found.length > 0) return found;
  const { items } = await client.request('GET /api/market');
  const elsewhere = items.filter(({ capabilityId }) => capabilityId === name).length;
  const known = [
    ...all.flatMap(({ module, capability }) => [capability.id, module]),
    ...items.map((each) => each.capabilityId),
  ];
  throw elsewhere > 0
    ? new CliError(
        'not_found',
        `This node has no ${name} itself, so it does not know its form; other nodes offer it.`,
        `See them with: capsule market --capability ${name}`,
      )
    : new CliError(
        'not_found',
        `No node that is known offers ${name}.`,
        didYouMean(name, known) ?? 'See what there is: capsule market',
      );
}

export function showCapability({ module, state, capability, example }: Described): string {
  const { id, description, input, output, price, estimatedLatency, idempotent, streaming } = capability;
  return [
    facts([
      ['capability', id],
      ...(description === undefined ? [] : [['does', terminalLine(description)] as const]),
      ['module', module],
      ['state', state],
      ['price', `${String(price)} credits`],
      ['latency', `about ${String(estimatedLatency)} s`],
      ['repeatable', idempotent ? 'yes' : 'no: it is not run a second time by itself'],
      ['streams', streaming ? 'yes' : 'no'],
    ]),
    `takes\n${members(input)}`,
    `gives\n${members(output)}`,
    `example\n  $ ${example}`,
  ].join('\n\n');
}

const objectsIn = (list: JsonValue | undefined): JsonObject[] =>
  Array.isArray(list) ? list.filter((each) => isObject(each)) : [];
const alternativesOf = ({ anyOf, oneOf }: JsonObject): JsonObject[] => [
  ...objectsIn(anyOf),
  ...objectsIn(oneOf),
];

function propertiesOf({ properties }: JsonObject): [string, JsonObject][] {
  const entries = isObject(properties) ? Object.entries(properties) : [];
  return entries.map(([name, schema]) => [name, isObject(schema) ? schema : {}]);
}

function requiredOf(schema: JsonObject): string[] {
  if (Array.isArray(schema.required)) return schema.required.filter((name) => typeof name === 'string');
  // Where there are alternatives, the first serves as the example.
  const [first] = alternativesOf(schema);
  return first === undefined ? [] : requiredOf(first);
}

function members(schema: JsonObject): string {
  const required = Array.isArray(schema.required) ? schema.required : [];
  const lines = propertiesOf(schema).map(([name, member]) => {
    const traits = [
      typeOf(member),
      ...(required.includes(name) ? ['required'] : []),
      ...(member.default === undefined ? [] : [`default ${JSON.stringify(member.default)}`]),
    ].join(', ');
    const about = typeof member.description === 'string' ? `: ${member.description}` : '';
    return [name, traits + about] as const;
  });
  if (lines.length === 0) return '  anything';
  const names = alternativesOf(schema).flatMap(requiredOf);
  const chosen = names.length > 0 ? [['', `one of: ${names.join(', ')}`] as const] : [];
  return facts(
    [...lines, ...chosen].map(([name, value]) => [`  ${terminalLine(name)}`, terminalLine(value)]),
  );
}

function typeOf(schema: JsonObject): string {
  const { type, enum: values, items, minimum, maximum, maxLength } = schema;
  if (Array.isArray(values)) return values.map((value) => JSON.stringify(value)).join(' or ');
  if (type === 'array') return isObject(items) ? `list of ${typeOf(items)}` : 'list';
  const alternatives = alternativesOf(schema);
  if (type === undefined && alternatives.length > 0)
    return [...new Set(alternatives.map(typeOf))].join(' or ');
  const name = Array.isArray(type) ? type.join(' or ') : typeof type === 'string' ? type : 'anything';
  if (minimum !== undefined && maximum !== undefined)
    return `${name} ${String(minimum)} to ${String(maximum)}`;
  return maxLength === undefined ? name : `${name} of at most ${String(maxLength)} characters`;
}

/** `capsule run ID "text"` where it takes a text, else with the least payload that has every required member. */
function exampleOf({ id, input }: ManifestCapability): string {
  const properties = new Map(propertiesOf(input));
  const needed = requiredOf(input);
  if (properties.has('text') && needed.every((name) => name === 'text'))
    return `capsule run ${id} "Some text"`;
  const payload = Object.fromEntries(needed.map((name) => [name, valueFor(properties.get(name) ?? {})]));
  return `capsule run ${id} --payload '${JSON.stringify(payload).replaceAll("'", "'\\''")}'`;
}

function valueFor(schema: JsonObject): JsonValue {
  const { type, enum: values, default: usual, minimum, items } = schema;
  const [first = usual] = Array.isArray(values) && usual === undefined ? values : [];
  if (first !== undefined) return first;
  if (type === 'array') return isObject(items) ? [valueFor(items)] : [];
  const [alternative] = alternativesOf(schema);
  if (type === undefined && alternative !== undefined) return valueFor(alternative);
  if (type === 'integer' || type === 'number') return minimum ?? 1;
  if (type === 'boolean') return true;
  return type === 'object' ? {} : '…';
}
