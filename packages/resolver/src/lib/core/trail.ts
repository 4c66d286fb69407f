import { popcount } from "./ints.ts";
import { DECIDED, type State } from "./state.ts";

/** Takes the values of a set away from a node because of a statement; false where none would be left. */
export function remove(s: State, node: number, mask: number, reason: number): boolean {
  const at = s.offset.data[node]!;
  const width = s.width.data[node]!;
  const masks = s.masks.data;
  const { now } = s;
  let gone = 0;
  let left = 0;
  for (let i = 0; i < width; i++) {
    const old = now[at + i]!;
    const set = masks[mask + i]!;
    gone |= old & set;
    left |= old & ~set;
  }
  if (gone === 0) return true;
  if (left === 0) return false;
  if (s.levelStart.length === 0) removeForGood(s, node, mask, reason);
  else {
    record(s, node, reason);
    let count = 0;
    for (let i = 0; i < width; i++) count += popcount((now[at + i]! &= ~s.masks.data[mask + i]!));
    s.count.data[node] = count;
  }
  touch(s, node);
  return true;
}

/** At the ground, or of a node to which nothing has happened yet. */
export function removeForGood(s: State, node: number, mask: number, reason: number): void {
  const at = s.offset.data[node]!;
  const width = s.width.data[node]!;
  const masks = s.masks.data;
  let count = 0;
  for (let i = 0; i < width; i++) {
    s.ground[at + i]! &= ~masks[mask + i]!;
    count += popcount((s.now[at + i] = s.ground[at + i]!));
  }
  s.count.data[node] = count;
  s.groundPrevious.push(s.groundLast.data[node]!);
  s.groundLast.data[node] = s.groundNode.length;
  s.groundNode.push(node);
  s.groundReason.push(reason);
  s.groundGone.push(mask);
}

function record(s: State, node: number, reason: number): void {
  const at = s.offset.data[node]!;
  const width = s.width.data[node]!;
  s.eventOld.push(s.oldWords.length);
  for (let i = 0; i < width; i++) s.oldWords.push(s.now[at + i]!);
  s.eventPrevious.push(s.last.data[node]!);
  s.last.data[node] = s.eventNode.length;
  s.eventNode.push(node);
  s.eventReason.push(reason);
  s.eventLevel.push(s.levelStart.length);
}

/** Queues a node whose possible values have changed. */
export function touch(s: State, node: number): void {
  if (s.queued[node] === 0) {
    s.queued[node] = 1;
    s.queue.push(node);
  }
  s.changed(node);
}

/** Opens a level with a decision; one that already holds opens its level all the same. */
export function choose(s: State, node: number, bit: number): void {
  s.levelStart.push(s.eventNode.length);
  s.levelNode.push(node);
  s.levelBit.push(bit);
  if (s.count.data[node] === 1) return;
  record(s, node, DECIDED);
  const at = s.offset.data[node]!;
  s.now.fill(0, at, at + s.width.data[node]!);
  s.now[at + (bit >>> 5)] = 1 << (bit & 31);
  s.count.data[node] = 1;
  touch(s, node);
}

/** Undoes every level from `level` on. */
export function backjump(s: State, level: number): void {
  if (level >= s.levelStart.length) return;
  const start = s.levelStart.data[level]!;
  const old = s.oldWords.data;
  for (let event = s.eventNode.length - 1; event >= start; event--) {
    const node = s.eventNode.data[event]!;
    const at = s.offset.data[node]!;
    const from = s.eventOld.data[event]!;
    let count = 0;
    if (s.count.data[node] === 1) s.saved.data[node] = s.only(node);
    for (let i = s.width.data[node]! - 1; i >= 0; i--) count += popcount((s.now[at + i] = old[from + i]!));
    s.count.data[node] = count;
    s.last.data[node] = s.eventPrevious.data[event]!;
    s.changed(node);
  }
  if (start < s.eventNode.length) s.oldWords.length = s.eventOld.data[start]!;
  s.eventNode.length = s.eventReason.length = s.eventPrevious.length = start;
  s.eventLevel.length = s.eventOld.length = start;
  s.levelStart.length = s.levelNode.length = s.levelBit.length = level;
  clearQueue(s);
}

function clearQueue(s: State): void {
  for (let i = s.queueHead; i < s.queue.length; i++) s.queued[s.queue.data[i]!] = 0;
  s.queue.length = s.queueHead = 0;
}
