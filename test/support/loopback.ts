import type { CapabilityModule } from '../../src/engine/capability.ts';
import type { Channel, ChannelListener } from '../../src/engine/runners/channel.ts';
import { Guest } from '../../src/engine/runners/guest.ts';
import { MeshError } from '../../src/lib/errors.ts';

/** A room in this process: the guest's half at the other end of a wall that is none. */
export function loopback(module: CapabilityModule): Channel {
  let listener: ChannelListener | undefined;
  let open = true;
  const guest = new Guest({
    post: (text) => queueMicrotask(() => open && listener?.message(text)),
    load: async () => module,
  });
  return {
    listen: (given) => {
      listener = given;
    },
    post: (text) => queueMicrotask(() => guest.receive(text)),
    kill: () => {
      if (!open) return;
      open = false;
      queueMicrotask(() => listener?.closed(new MeshError('internal', 'The room was killed.')));
    },
  };
}
