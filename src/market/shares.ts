/** Peers whose deliveries are told apart; those of more peers than this share one place. */
export const MAX_DELIVERERS = 1_024;
const OTHERS = '';

/** What one peer delivered and may be taken away again. */
interface Share<T> {
  bytes: number;
  /** Longest unheard first. */
  readonly members: Map<string, T>;
}

interface Member {
  readonly nodeId: string;
  bytes: number;
}

/**
 * Which peer delivered the advertisements of nodes that this node never met. Where there is no more room, the peer that
 * delivered most gives way, so that invented authors displace each other only.
 */
export class Shares<T extends Member> {
  readonly #shares = new Map<string, Share<T>>();

  /** Gives the name under which it is kept, for the other methods. */
  add(deliverer: string, member: T): string {
    const full = this.#shares.size >= MAX_DELIVERERS && !this.#shares.has(deliverer);
    const name = full ? OTHERS : deliverer;
    const share = this.#shares.get(name) ?? { bytes: 0, members: new Map<string, T>() };
    this.#shares.set(name, share);
    share.members.set(member.nodeId, member);
    share.bytes += member.bytes;
    return name;
  }

  remove(name: string, member: T): void {
    const share = this.#shares.get(name);
    if (share === undefined || !share.members.delete(member.nodeId)) return;
    share.bytes -= member.bytes;
    if (share.members.size === 0) this.#shares.delete(name);
  }

  /** It was heard of again. */
  heard(name: string, member: T): void {
    const members = this.#shares.get(name)?.members;
    if (members?.delete(member.nodeId)) members.set(member.nodeId, member);
  }

  /** `bytes` came to a member, or went. */
  grew(name: string, bytes: number): void {
    const share = this.#shares.get(name);
    if (share !== undefined) share.bytes += bytes;
  }

  /** The peer that delivered most, and of its nodes the longest unheard. */
  largest(): { name: string; oldest: T } | undefined {
    let found: { name: string; bytes: number; oldest: T } | undefined;
    for (const [name, { bytes, members }] of this.#shares) {
      if (found !== undefined && found.bytes >= bytes) continue;
      const [oldest] = members.values();
      if (oldest !== undefined) found = { name, bytes, oldest };
    }
    return found;
  }
}
