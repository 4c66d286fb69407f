import { readFileSync } from "node:fs";
import { platform } from "node:os";

const TICKS_PER_SECOND = 100;

/** Processor time that a process and its children have used in seconds, as Linux counts it; elsewhere 0. */
export function processorSeconds(pid: number): number {
  if (platform() !== "linux") return 0;
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  const below = children === "" ? [] : children.split(" ").map((child) => processorSeconds(Number(child)));
  return below.reduce((sum, seconds) => sum + seconds, (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND);
}
