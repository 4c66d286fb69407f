def wall_length(start: float, end: float) -> float:
    return abs(end - start)
