const UNIT = 64;

/** Luby's sequence 1 1 2 1 1 2 4 ...: how long to search before beginning again with what was learned. */
export class RestartSchedule {
  #left = UNIT;
  #runs = 1;

  conflict(): void {
    this.#left--;
  }

  isDue(): boolean {
    return this.#left <= 0;
  }

  restarted(): void {
    this.#runs++;
    this.#left = luby(this.#runs) * UNIT;
  }
}

function luby(place: number): number {
  let power = 1;
  while (2 ** power - 1 < place) power++;
  return 2 ** power - 1 === place ? 2 ** (power - 1) : luby(place - 2 ** (power - 1) + 1);
}
