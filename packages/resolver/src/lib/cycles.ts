/** A graph as far as cycles are concerned. */
interface Vertex {
  readonly id: string;
  readonly dependencies: readonly { readonly id: string }[];
}

/**
 * One shortest cycle of every strongly connected part, as ids with the first repeated at the end; the first is the part's
 * smallest id, so that equal graphs give equal cycles.
 */
export function findCycles(vertices: readonly Vertex[]): string[][] {
  const edges = new Map(vertices.map(({ id, dependencies }) => [id, dependencies.map((one) => one.id)]));
  const cycles = components(edges).flatMap((part) => {
    const start = part.reduce((least, id) => (id < least ? id : least));
    const cycle = shortestCycle(edges, new Set(part), start);
    return cycle === undefined ? [] : [cycle];
  });
  return cycles.sort((a, b) => (a[0]! < b[0]! ? -1 : 1));
}

/** Tarjan's strongly connected components, with a stack of its own: closures are thousands deep. */
function components(edges: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const enter = (id: string): { id: string; next: number } => {
    index.set(id, index.size);
    low.set(id, index.get(id)!);
    open.push(id);
    isOpen.add(id);
    return { id, next: 0 };
  };
  const leave = (id: string): void => {
    if (low.get(id) !== index.get(id)) return;
    const part = open.splice(open.lastIndexOf(id));
    for (const member of part) isOpen.delete(member);
    found.push(part);
  };
  for (const root of edges.keys()) {
    if (index.has(root)) continue;
    const calls = [enter(root)];
    while (calls.length > 0) {
      const call = calls.at(-1)!;
      const target = edges.get(call.id)?.[call.next++];
      if (target === undefined) {
        calls.pop();
        const parent = calls.at(-1);
        if (parent !== undefined) low.set(parent.id, Math.min(low.get(parent.id)!, low.get(call.id)!));
        leave(call.id);
      } else if (!index.has(target)) calls.push(enter(target));
      else if (isOpen.has(target)) low.set(call.id, Math.min(low.get(call.id)!, index.get(target)!));
    }
  }
  return found;
}

function shortestCycle(
  edges: ReadonlyMap<string, readonly string[]>,
  part: ReadonlySet<string>,
  start: string,
): string[] | undefined {
  const from = new Map<string, string>();
  const queue = [start];
  for (const id of queue) {
    for (const target of edges.get(id) ?? []) {
      if (target === start) return trace(from, start, id);
      if (!part.has(target) || from.has(target)) continue;
      from.set(target, id);
      queue.push(target);
    }
  }
  return undefined;
}

function trace(from: ReadonlyMap<string, string>, start: string, last: string): string[] {
  const path = [start];
  for (let id: string = last; id !== start; id = from.get(id)!) path.push(id);
  return [...path, start].reverse();
}
