import type { Static, TSchema } from 'typebox';
import {
  IdentityAttestation,
  SignerPolicy,
  type SignersDocument,
} from '../../../../protocols/archive/v1/schema.ts';
import {
  evaluatePolicy,
  type PolicyOptions,
  type PolicyResult,
} from '../../../archive/policy/signer-policy.ts';
import { parseSignersDocument } from '../../../archive/policy/signers-document.ts';
import type { PinnedRoot } from '../../../archive/policy/trust-roots.ts';
import type { Verification } from '../../../archive/types.ts';
import { checkOf } from '../../../lib/check.ts';
import { systemClock } from '../../../lib/clock.ts';
import { usage } from '../../failure.ts';
import { readJsonFile, readText, shaped, within } from '../../files.ts';
import type { CliIo } from '../../io.ts';
import type { Values } from '../../option.ts';
import { publicKey } from './keys.ts';
import { components } from './open.ts';
import type { VERIFY } from './options.ts';
import { oneLine, section } from './text.ts';

type PolicyFiles = Pick<Values<typeof VERIFY>, 'policy' | 'signers' | 'attestation' | 'trustRoot'>;

const SIGNERS_BYTES = 8_388_608;
const TRUST_ROOT = /^(?<issuer>[^=#]+)(?:#(?<kid>[^=]+))?=(?<key>.+)$/;

/** What the caller demands of signers and knows about them; null where nothing was given. Throws `usage`. */
export async function readPolicy(io: CliIo, files: PolicyFiles): Promise<PolicyOptions | null> {
  const { policy, signers = [], attestation, trustRoot = [] } = files;
  if (policy === undefined && signers.length + (attestation?.length ?? 0) + trustRoot.length === 0)
    return null;
  const documents: SignersDocument[] = [];
  for (const file of signers) {
    const text = await readText(io, file, SIGNERS_BYTES);
    documents.push(within(file, () => parseSignersDocument(text)));
  }
  const attestations: IdentityAttestation[] = [];
  for (const file of attestation ?? [])
    attestations.push(await readShaped(io, file, IdentityAttestation, 'identity attestation'));
  return {
    ...(policy !== undefined && { policy: await readShaped(io, policy, SignerPolicy, 'signer policy') }),
    documents,
    ...(attestation !== undefined && { attestations }),
    trustRoots: trustRoot.map(rootOf),
    now: systemClock.now(),
  };
}

/** A document of one shape. Throws `usage`. */
const readShaped = async <S extends TSchema>(
  io: CliIo,
  file: string,
  schema: S,
  what: string,
): Promise<Static<S>> => shaped(checkOf(schema), `${file} is no ${what}`, await readJsonFile(io, file));

function rootOf(text: string): PinnedRoot {
  const { issuer, kid, key } = TRUST_ROOT.exec(text)?.groups ?? {};
  if (issuer === undefined || key === undefined)
    throw usage(`"${text}" is not ISSUER=KEY or ISSUER#KID=KEY.`);
  return { issuer, ...(kid !== undefined && { kid }), publicKey: publicKey(`The key of ${issuer}`, key) };
}

export const judgeSigners = (found: Verification, options: PolicyOptions): Promise<PolicyResult> =>
  evaluatePolicy(components, found, options);

/** What was found about the signers, apart from the mathematics. */
export function policyText({ status, requirements, signers }: PolicyResult): string[] {
  const demands = requirements.flatMap(({ role, quorum, have, status: outcome, reasons }) => [
    `- ${oneLine(role)}: ${outcome}, ${String(have)} of ${String(quorum)}`,
    ...reasons.map((reason) => `    ${oneLine(reason)}`),
  ]);
  const people = signers.flatMap(({ role, public_key: key, reasons, ...signer }) => [
    `- ${oneLine(role)}: ${key}  trusted=${String(signer.trusted)}  key=${signer.lifecycle}  attestation=${signer.attestation}`,
    ...reasons.map((reason) => `    ${oneLine(reason)}`),
  ]);
  return [
    ...(requirements.length === 0 ? [] : ['', `Policy: ${status}`, ...demands.map((line) => `  ${line}`)]),
    ...section('What is known about the signers:', people),
  ];
}
