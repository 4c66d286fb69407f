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
  const places = new Map<string, number>();
  for (let i = 0; i < vertices.length; i++) places.set(vertices[i]!.id, i);
  const edges = vertices.map(({ dependencies }) => targetsOf(dependencies, places));
  const cycles = components(edges).flatMap((part) => {
    const start = part.reduce((least, one) => (vertices[one]!.id < vertices[least]!.id ? one : least));
    const cycle = shortestCycle(edges, new Set(part), start);
    return cycle === undefined ? [] : [cycle.map((one) => vertices[one]!.id)];
  });
  return cycles.sort((a, b) => (a[0]! < b[0]! ? -1 : 1));
}

function targetsOf(dependencies: Vertex["dependencies"], places: ReadonlyMap<string, number>): number[] {
  const targets: number[] = [];
  for (const { id } of dependencies) {
    const target = places.get(id);
    if (target !== undefined) targets.push(target);
  }
  return targets;
}

const UNSEEN = -1;

/** Tarjan's strongly connected components that may have a cycle, with a stack of its own: closures are thousands deep. */
function components(edges: readonly (readonly number[])[]): number[][] {
  const found: number[][] = [];
  const index = new Int32Array(edges.length).fill(UNSEEN);
  const low = new Int32Array(edges.length);
  const next = new Int32Array(edges.length);
  const isOpen = new Uint8Array(edges.length);
  const open: number[] = [];
  const calls: number[] = [];
  let count = 0;
  const enter = (one: number): void => {
    index[one] = low[one] = count++;
    isOpen[one] = 1;
    open.push(one);
    calls.push(one);
  };
  const leave = (one: number): void => {
    if (low[one] !== index[one]) return;
    const part = open.splice(open.lastIndexOf(one));
    for (const member of part) isOpen[member] = 0;
    if (part.length > 1 || edges[one]!.includes(one)) found.push(part);
  };
  for (let root = 0; root < edges.length; root++) {
    if (index[root] !== UNSEEN) continue;
    enter(root);
    for (let one = calls.at(-1); one !== undefined; one = calls.at(-1)) {
      const target = edges[one]![next[one]!++];
      if (target === undefined) {
        calls.pop();
        const parent = calls.at(-1);
        if (parent !== undefined) low[parent] = Math.min(low[parent]!, low[one]!);
        leave(one);
      } else if (index[target] === UNSEEN) enter(target);
      else if (isOpen[target] === 1) low[one] = Math.min(low[one]!, index[target]!);
    }
  }
  return found;
}

function shortestCycle(
  edges: readonly (readonly number[])[],
  part: ReadonlySet<number>,
  start: number,
): number[] | undefined {
  const from = new Map<number, number>();
  const queue = [start];
  for (const id of queue) {
    for (const target of edges[id]!) {
      if (target === start) return trace(from, start, id);
      if (!part.has(target) || from.has(target)) continue;
      from.set(target, id);
      queue.push(target);
    }
  }
  return undefined;
}

function trace(from: ReadonlyMap<number, number>, start: number, last: number): number[] {
  const path = [start];
  for (let id: number = last; id !== start; id = from.get(id)!) path.push(id);
  return [...path, start].reverse();
}
