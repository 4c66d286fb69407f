/** `1 entry`, `2 entries`. */
export function entries(number: number): string {
  return `${number} ${number === 1 ? "entry" : "entries"}`;
}
