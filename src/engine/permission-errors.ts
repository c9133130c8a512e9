import { MeshError } from '../lib/errors.ts';

/* What a module is told where it may not use something, the same on both sides of a room's wall. */

export function undeclared(module: string, permission: string): MeshError {
  return denied(`The module ${module} does not declare the permission ${permission}.`);
}

export function ungranted(module: string, permission: string): MeshError {
  return denied(`The operator has not granted ${permission} to the module ${module}.`);
}

export function hasEnded(): MeshError {
  return new MeshError('cancelled', 'The intent has ended; its API no longer works.');
}

function denied(sentence: string): MeshError {
  return new MeshError('permission_denied', sentence);
}
