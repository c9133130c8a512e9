import { Type } from 'typebox';
import { closed } from '../../../protocols/common/v1/schema.ts';
import { Capabilities, Module, Permission } from '../schemas/node.ts';
import { described, page, refusals, slicing } from '../schemas/shared.ts';

const name = Type.String({ minLength: 1, maxLength: 64, description: 'A module, such as `notify`.' });
const permission = {
  params: Type.Object({
    capability: name,
    permission: Type.String({ minLength: 1, maxLength: 256, description: 'Such as `network:config`.' }),
  }),
  response: { 200: described('As it is now.', Permission), ...refusals },
};

export const capabilityContract = {
  'GET /api/capabilities': {
    operationId: 'listCapabilities',
    summary: 'What is installed here, and what of it is on offer.',
    response: { 200: described('All modules and offers.', Capabilities), ...refusals },
  },
  'POST /api/capabilities/:name/trust': {
    operationId: 'trustCapability',
    summary: 'Accepts the changed code of a module in safe mode.',
    params: Type.Object({ name }),
    response: { 200: described('The module as it is now.', Module), ...refusals },
  },
  'GET /api/permissions': {
    operationId: 'listPermissions',
    summary: 'What each module declares and was granted.',
    querystring: Type.Object(slicing, closed),
    response: { 200: described('One page.', page(Permission)), ...refusals },
  },
  'PUT /api/permissions/:capability/:permission': {
    operationId: 'grantPermission',
    summary: 'Grants what the module declares.',
    ...permission,
  },
  'DELETE /api/permissions/:capability/:permission': {
    operationId: 'revokePermission',
    summary: 'Takes it back.',
    ...permission,
  },
};
